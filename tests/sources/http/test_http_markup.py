"""XML of a stranger."""

import time

import pytest

from bridge.sources.http.markup import MAX_ELEMENTS, MAX_LEVELS, check, value
from bridge.sources.http.reply import ReplyError

LAUGHS = (
    '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">'
    + "".join("<!ENTITY {} '{}'>".format(chr(98 + n), f"&{chr(97 + n)};" * 10) for n in range(9))
    + "]><r>&j;</r>"
)

BAD = {
    "billion_laughs": (LAUGHS, "DTD"),
    "quadratic_blowup": (f'<!DOCTYPE r [<!ENTITY a "{"a" * 10_000}">]><r>{"&a;" * 10_000}</r>', "DTD"),
    "external_entity": ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r>&a;</r>', "DTD"),
    "parameter_entity": ('<!DOCTYPE r [<!ENTITY % a SYSTEM "http://127.0.0.1/x">%a;]><r/>', "DTD"),
    "default_attribute": (f'<!DOCTYPE r [<!ATTLIST a x CDATA "{"a" * 10_000}">]><r>{"<a/>" * 10_000}</r>', "DTD"),
    "unknown_entity": ("<r>&nbsp;</r>", "undefined entity"),
    "levels": ("<a>" * 100_000, "nested too deeply"),
    "elements": (f"<r>{'<a/>' * MAX_ELEMENTS}</r>", f"more than {MAX_ELEMENTS} elements"),
    "name": (f"<{'a' * 300}/>", "a name of more than"),
    "attributes": ("<a " + " ".join(f"a{n}='1'" for n in range(1_001)) + "/>", "1000 attributes"),
    "cut_short": ("<r><a></r>", "line 1, column 9"),
    "two_roots": ("<r/><r/>", "line 1"),
    "nothing": ("", "no element found"),
    "nul": ("<r>\0</r>", "line 1"),
    "surrogate": ("<r>&#xD800;</r>", "line 1"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_xml_that_does_harm_is_refused_before_anything_is_made_of_it(text, words):
    """In words, and soon."""
    began = time.process_time()
    with pytest.raises(ReplyError, match=words):
        check(text)
    assert time.process_time() - began < 5


def test_a_dtd_that_is_only_named_is_not_fetched():
    """As RSS 0.91 has it."""
    text = '<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:1/rss.dtd"><rss/>'
    assert value(text) == {"rss": None}


def test_what_an_article_says_about_entities_is_text():
    """The parser tells a declaration from a quotation."""
    text = '<r><![CDATA[<!DOCTYPE r [<!ENTITY a "b">]>]]></r>'
    assert value(text) == {"r": '<!DOCTYPE r [<!ENTITY a "b">]>'}


def test_the_deepest_document_that_passes_is_read():
    """One level less than too many."""
    assert value("<a>" * MAX_LEVELS + "</a>" * MAX_LEVELS)


def test_an_element_that_is_to_be_a_list_is_one_also_when_it_stands_alone():
    """And one of the same name elsewhere is not."""
    text = "<r><i><x>1</x></i><x>2</x></r>"
    assert value(text, ("r", "i", "x")) == {"r": {"i": {"x": ["1"]}, "x": "2"}}
    assert value(text) == {"r": {"i": {"x": "1"}, "x": "2"}}
