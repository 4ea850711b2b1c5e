"""What people bring many pictures in, and what their results are called: read and named, without a database.

::

    archives       the pictures in a ZIP             spreadsheets  CSV files, and what was read of them
    zip_directory  what a ZIP says of itself         xlsx          workbooks, row by row
    zip_names      names in it, in any encoding      columns       which column is what
                                                     titles        what people call them
    sku            SKUs from names and folders       addresses     a pasted list
    result_names   names of results, no two alike    rows          what tables and lists are read into
"""
