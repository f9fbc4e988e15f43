//! Lists as commands show them: whole, whatever the pages.

use leasehold_cli::Failure;
use serde::de::DeserializeOwned;

use crate::api::{
    AccountDocument, AccountList, AccountPageQuery, AllocationDocument, AllocationList, ApiKeyDocument,
    ApiKeyList, GrantDocument, GrantList, NodeDocument, NodeList, PoolDocument, PoolList, ProductDocument,
    ProductList,
};
use crate::context::Context;
use crate::limits;

/// One page of a list.
pub(super) trait Page: DeserializeOwned {
    /// What is listed.
    type Item;

    /// The things on the page, and the token of the next one; none or empty at the end.
    fn split(self) -> (Vec<Self::Item>, Option<String>);
}

macro_rules! pages {
    ($($list:ident . $field:ident: $item:ident;)+) => {$(
        impl Page for $list {
            type Item = $item;

            fn split(self) -> (Vec<$item>, Option<String>) {
                (self.$field, self.next_page_token)
            }
        }
    )+};
}

pages! {
    AccountList.accounts: AccountDocument;
    AllocationList.allocations: AllocationDocument;
    ApiKeyList.api_keys: ApiKeyDocument;
    GrantList.grants: GrantDocument;
    NodeList.nodes: NodeDocument;
    PoolList.pools: PoolDocument;
    ProductList.products: ProductDocument;
}

/// All that is listed at `path`, of `account` if one is named.
pub(super) fn all<P: Page>(
    context: &Context,
    path: &str,
    account: Option<&str>,
) -> Result<Vec<P::Item>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), None);
    loop {
        let query = AccountPageQuery {
            account: account.map(str::to_owned),
            page_size: i64::try_from(limits::PAGE).ok(),
            page_token: page_token.take(),
            min_revision: None,
        };
        let (items, next) = context.get::<P>(path, &query)?.split();
        all.extend(items);
        page_token = next.filter(|token| !token.is_empty());
        if page_token.is_none() {
            return Ok(all);
        }
    }
}
