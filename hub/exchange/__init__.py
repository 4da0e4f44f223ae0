"""What leaves the hub: versions of products, extracts, packs, grants, signatures and receipts."""
