"""The engine of the Community Data Hub (基层治理数据中枢); names no department."""
