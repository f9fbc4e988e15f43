//! Lists in pages. A page token is made here, is good for the same list only, and cannot be made by anybody else.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use leasehold_protocol::code::Code;
use leasehold_protocol::problem::Problem;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::IntoParams;

use crate::limits;

/// Which page of a list
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many at most; 50 unless said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub(crate) page_size: Option<i64>,
    /// The `next_page_token` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page_token: Option<String>,
    /// Answer only if the issuer has got as far as this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_revision: Option<u64>,
}

/// Which page of a list of what belongs to accounts
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountPageQuery {
    /// Only what belongs to this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// How many at most; 50 unless said, 1000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub(crate) page_size: Option<i64>,
    /// The `next_page_token` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page_token: Option<String>,
    /// Answer only if the issuer has got as far as this revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_revision: Option<u64>,
}

impl AccountPageQuery {
    /// The account that is meant, and the page.
    pub(super) fn split(self) -> (Option<String>, PageQuery) {
        let Self { account, page_size, page_token, min_revision } = self;
        (account, PageQuery { page_size, page_token, min_revision })
    }
}

/// What page tokens are sealed with.
#[derive(Clone)]
pub(crate) struct PageKey([u8; 32]);

/// One page of one list.
pub(super) struct Page {
    key: PageKey,
    list: String,
    size: usize,
    /// The last thing on the page before.
    after: Option<[u8; 16]>,
}

impl PageKey {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The page that is asked for of `list`, whose name tells it from all others and says its filter.
    pub(super) fn open(&self, list: String, query: &PageQuery) -> Result<Page, Problem> {
        let size = match query.page_size {
            None | Some(0) => limits::PAGE_DEFAULT,
            Some(size) => usize::try_from(size).map_err(|_| negative())?.min(limits::PAGE),
        };
        let after = query.page_token.as_deref().filter(|token| !token.is_empty());
        let after = after.map(|token| self.read(&list, token).ok_or_else(foreign)).transpose()?;
        Ok(Page { key: self.clone(), list, size, after })
    }

    fn read(&self, list: &str, token: &str) -> Option<[u8; 16]> {
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
        let (id, seal) = bytes.split_first_chunk::<16>()?;
        self.mac(list, *id).verify_slice(seal).ok()?;
        Some(*id)
    }

    fn write(&self, list: &str, id: [u8; 16]) -> String {
        let seal = self.mac(list, id).finalize().into_bytes();
        BASE64URL_NOPAD.encode(&[&id[..], &seal[..]].concat())
    }

    fn mac(&self, list: &str, id: [u8; 16]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(&id);
        mac.update(list.as_bytes());
        mac
    }
}

impl Page {
    /// The things of this page, and the token of the next; empty at the end. `things` come by ascending id.
    pub(super) fn cut<T>(
        self,
        things: impl Iterator<Item = T>,
        id: impl Fn(&T) -> [u8; 16],
    ) -> (Vec<T>, String) {
        let mut rest = things.skip_while(|thing| self.after.is_some_and(|after| id(thing) <= after));
        let page: Vec<T> = rest.by_ref().take(self.size).collect();
        let last = page.last().map(&id).filter(|_| rest.next().is_some());
        (page, last.map_or_else(String::new, |last| self.key.write(&self.list, last)))
    }
}

fn negative() -> Problem {
    Problem::new(Code::InvalidRequest, "the page_size is negative", "ask for 1 to 1000")
}

fn foreign() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "the page_token is not of this list",
        "begin with the first page, and change nothing but the page_token from page to page",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(page_size: Option<i64>, page_token: &str) -> PageQuery {
        PageQuery { page_size, page_token: Some(page_token.to_owned()), min_revision: None }
    }

    fn page(list: &str, query: &PageQuery) -> Result<(Vec<u8>, String), Problem> {
        let page = PageKey::new([7; 32]).open(list.to_owned(), query)?;
        Ok(page.cut(0..100_u8, |thing| [*thing; 16]))
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..4 {
            let (things, next) = page("all", &query(Some(30), &token)).unwrap();
            all.extend(things);
            token = next;
        }
        assert_eq!(all, (0..100).collect::<Vec<u8>>());
        assert_eq!(token, "");
        let exact = page("all", &query(Some(100), "")).unwrap();
        assert_eq!((exact.0.len(), exact.1.as_str()), (100, ""));
    }

    #[test]
    fn a_token_is_good_for_its_list_only_and_unforgeable() {
        let (_, token) = page("account=a", &query(Some(10), "")).unwrap();
        assert!(page("account=b", &query(Some(10), &token)).is_err());
        let mut bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(page("account=a", &query(None, &BASE64URL_NOPAD.encode(&bytes))).is_err(), "{at}");
            bytes[at] ^= 1;
        }
        for token in ["x", "AAAA", &token[1..], &format!("{token}AA")] {
            assert!(page("account=a", &query(None, token)).is_err(), "{token}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let key = PageKey::new([7; 32]);
        let most = i64::try_from(limits::PAGE).unwrap();
        for (asked, size) in [
            (None, Some(limits::PAGE_DEFAULT)),
            (Some(0), Some(limits::PAGE_DEFAULT)),
            (Some(1), Some(1)),
            (Some(most - 1), Some(limits::PAGE - 1)),
            (Some(most), Some(limits::PAGE)),
            (Some(most + 1), Some(limits::PAGE)),
            (Some(i64::MAX), Some(limits::PAGE)),
            (Some(-1), None),
            (Some(i64::MIN), None),
        ] {
            let page = key.open(String::new(), &query(asked, "")).ok();
            assert_eq!(page.map(|page| page.size), size, "{asked:?}");
        }
    }
}
