"""Many pictures at once: what people bring them in, how they stand, and what leaves the desk again.

::

    archives       the pictures in a ZIP             spreadsheets  CSV files, and what was read of them
    zip_directory  what a ZIP says of itself         xlsx          workbooks, row by row
    zip_names      names in it, in any encoding      columns       which column is what
                                                     titles        what people call them
    sku            SKUs from names and folders       addresses     a pasted list
    archive        results as one ZIP                rows          what tables and lists are read into
    manifest       what became of each picture       progress      how a batch stands
"""
