"""Many pictures at once: what people bring them in, the drafts they wait in, and the batches that these become.

Read and named, without a database::

    archives       the pictures in a ZIP             spreadsheets  CSV files, and what was read of them
    zip_directory  what a ZIP says of itself         xlsx          workbooks, row by row
    zip_names      names in it, in any encoding      columns       which column is what
                                                     titles        what people call them
    sku            SKUs from names and folders       addresses     a pasted list
    result_names   names of results, no two alike    rows          what tables and lists are read into

What was chosen and not ordered yet::

    draft_intake ─┬─► draft_items ─► drafts          draft_review ─► draft_answers   how each item stands, in JSON
    any file      └─► draft_archives                      └────────► draft_order     a draft becomes a batch
                      a ZIP, read on by itself       draft_skus                      the pattern of its SKUs

What they cost, and what became of them::

    quotes, estimate  price and time                 progress      counts, cancel, try again
"""
