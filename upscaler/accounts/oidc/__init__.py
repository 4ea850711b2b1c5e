"""Signing in with the company's account, by OpenID Connect: authorization code with PKCE, state and nonce.

::

    provider    the company's server: discovery, keys, the exchange of a code, with limits of time and size
    id_tokens   which of its tokens count
    flow        one sign-in, from leaving this desk until coming back
    claims      what a token says about a person, in this desk's terms
    identities  whose account here that is: found, linked or made, else refused
    membership  which teams and role follow, and who waits for an admin
    sign_out    ending sessions: here, at the provider, and when the provider says so
"""
