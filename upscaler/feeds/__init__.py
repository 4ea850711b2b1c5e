"""Catalogue checks: which pictures of a shop's product feed are too small for where they go.

::

    download  a feed's file from its address      reader   what a file is, and its entries one by one
    text      bytes of any encoding as text       xml_feed, delimited, workbook   the kinds of feeds
    headers   a picture's size from its beginning  probe   asks hosts for these, politely
    limits    what channels ask of pictures        report  who is below them, and what has changed
    records   the only writer of all this          work    one step of a check, for the queue
"""
