//! Finding what a caller names among what exists for them. What lies outside of their accounts is not there.

use leasehold_issuer_core::{Account, GrantView, Issuer, NodeView, PoolView, sku_key};
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::AccountId;
use leasehold_protocol::problem::Problem;

use super::caller::Caller;

impl Caller {
    /// The account that an id, a name or an external id stands for.
    pub(super) fn account<'a>(&self, issuer: &'a Issuer, text: &str) -> Result<&'a Account, Problem> {
        if self.subtree.is_none() {
            return issuer.account(text);
        }
        let seen = issuer.accounts().filter(|account| self.sees(issuer, account.id));
        only("account", text, seen, |account| account.id.to_string(), |account| account.is_called(text))
    }

    /// The id of the account that a list is to be filtered by.
    pub(super) fn filter(
        &self,
        issuer: &Issuer,
        account: Option<&str>,
    ) -> Result<Option<AccountId>, Problem> {
        account.map(|text| self.account(issuer, text)).transpose().map(|account| account.map(|one| one.id))
    }

    /// The grant of an id.
    pub(super) fn grant<'a>(&self, issuer: &'a Issuer, text: &str) -> Result<GrantView<'a>, Problem> {
        let view = issuer.grant(text)?;
        if self.sees(issuer, view.grant.account) { Ok(view) } else { Err(nothing("grant", text)) }
    }

    /// The pool that an id, or the SKU of its product, stands for.
    pub(super) fn pool<'a>(&self, issuer: &'a Issuer, text: &str) -> Result<PoolView<'a>, Problem> {
        if self.subtree.is_none() {
            return issuer.pool(text);
        }
        let seen = issuer.pools().filter(|view| self.sees(issuer, view.pool.account));
        let sku = sku_key(text);
        only("pool", text, seen, |view| view.pool.issue.id.to_string(), |view| sku_key(view.sku) == sku)
    }

    /// The node that an id or name stands for.
    pub(super) fn node<'a>(&self, issuer: &'a Issuer, text: &str) -> Result<NodeView<'a>, Problem> {
        if self.subtree.is_none() {
            return issuer.node(text);
        }
        let seen = issuer.nodes().filter(|view| self.sees(issuer, view.node.account));
        only("node", text, seen, |view| view.node.id.to_string(), |view| view.node.name == text)
    }

    /// The node of `account` that an id or name stands for; who sees everything leaves it to the core to find it.
    pub(super) fn node_of(&self, issuer: &Issuer, text: &str, account: AccountId) -> Result<String, Problem> {
        if self.subtree.is_none() {
            return Ok(text.to_owned());
        }
        let seen = issuer.nodes().filter(|view| view.node.account == account);
        let id = |view: NodeView<'_>| view.node.id.to_string();
        only("node", text, seen, id, |view| view.node.name == text).map(id)
    }
}

/// The one thing whose id is `text`, or else whose name.
fn only<T: Copy>(
    what: &str,
    text: &str,
    seen: impl Iterator<Item = T>,
    id: impl Fn(T) -> String,
    is_named: impl Fn(T) -> bool,
) -> Result<T, Problem> {
    let mut named = Vec::new();
    for thing in seen {
        if id(thing) == text {
            return Ok(thing);
        }
        if is_named(thing) {
            named.push(thing);
        }
    }
    match named.as_slice() {
        [] => Err(nothing(what, text)),
        [one] => Ok(*one),
        several => {
            let most = leasehold_issuer_core::limits::CANDIDATES;
            let candidates: Vec<String> = several.iter().take(most).map(|thing| id(*thing)).collect();
            let detail = format!("{text:?} names {} {what}s: {}", several.len(), candidates.join(", "));
            Err(Problem::new(Code::Ambiguous, detail, "use the id of the one that is meant")
                .with("candidates", candidates))
        }
    }
}

fn nothing(what: &str, text: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no {what} {text:?}"), "a list shows what there is")
}
