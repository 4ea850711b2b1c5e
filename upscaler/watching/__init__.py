"""Watched folders: pictures are taken from where they live, and results are put back there.

::

    folders   made, changed, removed     places    folder_place, bucket_place (by s3_client): list, open, put
    work      one step: looking ──► taking ──► batching ──► putting, each from what the rows say
    holding   whose turn it is           tasks     the queue's messages
    shown     how it stands, for people
"""
