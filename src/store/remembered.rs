//! What the store remembers of its rows: keys, tokens, trusts, and what a reader needs to know of
//! an address. Nothing here is stale: see [`super::memo`].

use std::sync::Arc;

use crate::model::digest::Digest;
use crate::model::key::{KeyId, KeyWithHashes};
use crate::model::name::StateName;
use crate::model::state::AddressInfo;
use crate::model::token::{CredentialOwner, Token};
use crate::model::trust::IssuerTrust;
use crate::store::error::StoreError;
use crate::store::memo::{Commits, Memo};
use crate::store::readers::Readers;
use crate::store::tx::View;

/// A token, and the key or trust that it belongs to, if that is still there.
pub type OwnedToken = (Token, Option<CredentialOwner>);

/// Answers to questions that each request asks.
pub(super) struct RememberedRows {
    pub(super) keys: Memo<KeyId, Option<KeyWithHashes>>,
    pub(super) tokens: Memo<Digest, Option<OwnedToken>>,
    pub(super) trusts: Memo<String, Vec<IssuerTrust>>,
    pub(super) address_infos: Memo<StateName, AddressInfo>,
}

impl RememberedRows {
    pub(super) fn new(commits: &Commits) -> Self {
        Self {
            keys: Memo::new(&commits.of_credentials),
            tokens: Memo::new(&commits.of_credentials),
            trusts: Memo::new(&commits.of_credentials),
            address_infos: Memo::new(&commits.all),
        }
    }

    pub(super) fn key(
        &self,
        readers: &Readers,
        id: KeyId,
    ) -> Result<Arc<Option<KeyWithHashes>>, StoreError> {
        self.keys.get(readers, &id, |view, id| view.key(*id))
    }

    pub(super) fn trusts_in(
        &self,
        readers: &Readers,
        issuer: &str,
    ) -> Result<Arc<Vec<IssuerTrust>>, StoreError> {
        let ask = |view: &View<'_>, issuer: &String| view.trusts_in(issuer);
        self.trusts.get(readers, &issuer.to_owned(), ask)
    }

    pub(super) fn token(
        &self,
        readers: &Readers,
        sha256: Digest,
    ) -> Result<Arc<Option<OwnedToken>>, StoreError> {
        self.tokens.get(readers, &sha256, |view, sha256| {
            let Some(token) = view.token(*sha256)? else {
                return Ok(None);
            };
            let owner = view.credential_owner(token.owner)?;
            Ok(Some((token, owner)))
        })
    }

    pub(super) fn address_info(
        &self,
        readers: &Readers,
        name: &StateName,
    ) -> Result<Arc<AddressInfo>, StoreError> {
        self.address_infos.get(readers, name, |view, name| {
            Ok(AddressInfo {
                lookup: view.lookup(name)?,
                has_stale_writers: view.has_stale_writers(name)?,
            })
        })
    }

    /// Gives back the memory of answers that are not true any more.
    pub(super) fn forget_stale(&self) {
        self.keys.forget_stale();
        self.tokens.forget_stale();
        self.trusts.forget_stale();
        self.address_infos.forget_stale();
    }
}
