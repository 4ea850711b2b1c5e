"""What people bring many pictures in, and what their results are called: read and named, without a database.

::

    archives      the pictures in a ZIP           sku            SKUs from names and folders
    zip_directory what a ZIP says of itself       result_names   names of results, no two alike
    zip_names     names in a ZIP, in any encoding
    spreadsheets  CSV and XLSX files
    xlsx, columns  its parts                      addresses      a pasted list
    rows          what spreadsheets and lists are read into
"""
