"""Catalogue checks: which pictures of a shop's product feed are too small for where they go.

::

    forms, intake   what people give the desk          reader      what a file is, and its entries one by one
    text            bytes of any encoding as text      xml_feed, delimited, workbook   the kinds of feeds
    headers         a size from a file's beginning     probe       asks one picture's host for that
    hosts           how often each may be asked        measuring   many of them side by side
    limits          what channels ask of pictures      report      who is below them, and what has changed
    records         the only writer of all this        turns       whose check is next, and who may ask a host
    work            one step of a check, for the queue
"""
