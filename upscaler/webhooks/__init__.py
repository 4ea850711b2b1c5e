"""Programs are told when something has ended, as Standard Webhooks (standardwebhooks.com) has it.

::

    endpoints   who is told            outbox     what is to be told, written with what it tells
    signing     secrets, signatures    delivery   sending it, again and again until it is taken
"""
