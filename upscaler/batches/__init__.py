"""Many pictures at once: what people bring them in, how they are ordered and stand, and what leaves the desk again.

::

    archives       the pictures in a ZIP             spreadsheets  CSV files, and what was read of them
    zip_directory  what a ZIP says of itself         xlsx          workbooks, row by row
    zip_names      names in it, in any encoding      columns       which column is what
    addresses      a pasted list                     titles        what people call them
    sku            SKUs from names and folders       rows          what tables and lists are read into

    drafts         what was chosen and not ordered yet, changed under the team's lock alone
    draft_intake   any file or list into a draft     draft_items   one picture of it
    draft_archives a ZIP, read on by itself          draft_skus    the pattern of its SKUs
    draft_review   how each item stands, in bulk     draft_answers the same in JSON
    draft_order    a draft becomes a batch

    quotes         what orders would cost            estimate      how long they would take
    planned        time by the steps of a job        pace          time by what the desk did lately
    waiting        what comes before an order
    items          orders of a program's batch       progress      how an ordered batch stands
    results_zip    results as one ZIP                manifest      what became of each picture
"""
