//! Who may do what: the one table.

use leasehold_issuer_core::Role;
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;

/// What a request does, as far as permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Sees status and keys of the issuer.
    ReadIssuer,
    /// Sees products.
    ReadCatalogue,
    /// Sees accounts, grants, pools, nodes and allocations.
    ReadEntitlements,
    /// Sees audit records.
    ReadAudit,
    /// Takes all audit records away.
    ExportAudit,
    /// Makes products.
    WriteCatalogue,
    /// Makes accounts.
    CreateAccount,
    /// Makes, amends and revokes grants.
    Sell,
    /// Divides what was sold between nodes: nodes, allocations, bundles.
    Allocate,
    /// Makes, rotates and disables API keys, and sees them.
    ManageApiKeys,
    /// Says that promises may be forgotten, and attests what became of them.
    Recover,
}

impl Action {
    /// Every action.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::ReadIssuer,
        Self::ReadCatalogue,
        Self::ReadEntitlements,
        Self::ReadAudit,
        Self::ExportAudit,
        Self::WriteCatalogue,
        Self::CreateAccount,
        Self::Sell,
        Self::Allocate,
        Self::ManageApiKeys,
        Self::Recover,
    ];

    /// Whether a key of `role` may, within the accounts that it sees.
    pub(crate) const fn is_for(self, role: Role) -> bool {
        use Role::{
            CatalogAdmin, CustomerAdmin, CustomerViewer, FinanceAuditor, Owner, Reseller, SalesOps,
            SupportAgent,
        };
        match self {
            Self::ReadCatalogue => true,
            Self::ReadEntitlements => !matches!(role, CatalogAdmin),
            Self::ReadIssuer => !matches!(role, Reseller | CustomerAdmin | CustomerViewer),
            Self::ReadAudit => matches!(role, Owner | SupportAgent | FinanceAuditor),
            Self::ExportAudit => matches!(role, Owner | FinanceAuditor),
            Self::WriteCatalogue => matches!(role, Owner | CatalogAdmin),
            Self::CreateAccount => matches!(role, Owner | SalesOps | Reseller),
            Self::Sell => matches!(role, Owner | SalesOps),
            Self::Allocate => matches!(role, Owner | SalesOps | Reseller | CustomerAdmin),
            Self::ManageApiKeys | Self::Recover => matches!(role, Owner),
        }
    }
}

/// Refuses what `role` may not do.
pub(crate) fn check(role: Role, action: Action) -> Result<(), Problem> {
    if action.is_for(role) {
        return Ok(());
    }
    Err(Problem::new(
        Code::NotAuthorised,
        format!("a key of the role {} may not do this", role.name()),
        "use a key whose role may; `api-key list` of an owner shows them",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One column per role in the order of [`Role::ALL`], one row per action in the order of [`Action::ALL`].
    const TABLE: [&str; 11] = [
        // owner, catalog_admin, sales_ops, support_agent, finance_auditor, reseller, customer_admin, customer_viewer
        "yes yes yes yes yes no  no  no",  // ReadIssuer
        "yes yes yes yes yes yes yes yes", // ReadCatalogue
        "yes no  yes yes yes yes yes yes", // ReadEntitlements
        "yes no  no  yes yes no  no  no",  // ReadAudit
        "yes no  no  no  yes no  no  no",  // ExportAudit
        "yes yes no  no  no  no  no  no",  // WriteCatalogue
        "yes no  yes no  no  yes no  no",  // CreateAccount
        "yes no  yes no  no  no  no  no",  // Sell
        "yes no  yes no  no  yes yes no",  // Allocate
        "yes no  no  no  no  no  no  no",  // ManageApiKeys
        "yes no  no  no  no  no  no  no",  // Recover
    ];

    #[test]
    fn every_cell_of_the_table_holds() {
        for (action, row) in Action::ALL.into_iter().zip(TABLE) {
            let cells: Vec<&str> = row.split_whitespace().collect();
            assert_eq!(cells.len(), Role::ALL.len(), "{action:?}");
            for (role, cell) in Role::ALL.into_iter().zip(cells) {
                assert_eq!(check(role, action).is_ok(), cell == "yes", "{role:?} {action:?}");
            }
        }
    }
}
