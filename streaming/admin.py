"""The engine's pages of the admin; Django looks for them here."""

from streaming import admin_budgets, admin_generations, admin_lanes

__all__ = ["admin_budgets", "admin_generations", "admin_lanes"]
