"""JSON documents made by hypothesis: small, so that two of them often have something in common."""

from hypothesis import strategies as st

names = st.sampled_from(["a", "b", "id", "a/b", "m~n", "", "0", "é"])

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, -1.5, 1e20]),
    st.sampled_from(["", "x", "true", "\U0001f600"]),
)

documents = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=5), st.dictionaries(names, below, max_size=5)),
    max_leaves=20,
)

#: What an item is: an object with a few fields.
fields = st.dictionaries(st.sampled_from(["v", "w"]), scalars, max_size=2)
