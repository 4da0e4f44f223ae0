"""The ledger in PostgreSQL: what was pulled, checked, released, delivered, granted and read."""

from hub.ledger.clock import now
from hub.ledger.ledger import AuditEntry, Batch, IssueCount, Ledger
from hub.ledger.migrate import migrate

__all__ = ["AuditEntry", "Batch", "IssueCount", "Ledger", "migrate", "now"]
