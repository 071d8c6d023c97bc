"""Prepared rows as tf.data: from memory, streamed from Parquet shards, or from TFRecord files."""
