"""What the sources that ask an HTTP server share (`http`, `sse`).

Files in the order in which a request travels:

    keys        the keys, and their checks        address   templates of addresses      headers   what one may send
    login       users and proxies, of the keys    remote    what the keys say, made ready
    attend      one task per address that is listened to
    client      requests: connections, redirects  redirect  where a redirect leads, and what it takes along
    gate        whom a socket connects to         policy    the rules: link-local, private, metadata
    names       names resolved                    trust     TLS contexts, made anew
    ending      how a connection ended            body      bytes decoded within bounds
    trouble     what is wrong, in words

`docs/why/outbound-requests.md` has the reasons for what is decided here.
"""
