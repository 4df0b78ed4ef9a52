"""The network between file, converter and reference: its layers, its float16 values, the shape of L3's own."""
