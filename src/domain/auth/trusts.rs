//! Trusts: made, shown and removed as keys are, and within what their maker has.
//!
//! A trust is never changed: it is removed, and another one made. So what a token was let in by is
//! what the trust says today, and with a trust its tokens end.

use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use crate::domain::access::{Acted, act, authorize_everywhere};
use crate::domain::approvals::second_person;
use crate::domain::auth::giving::{
    bad_request, checked_end, checked_name, may_give, wanted_permissions,
};
use crate::domain::auth::id_tokens::admission::MAX_ISSUER;
use crate::domain::auth::id_tokens::sources::{self, FetchKeySet, KeySets};
use crate::domain::engine::Engine;
use crate::domain::engine::cores::off_thread;
use crate::domain::error::Error;
use crate::model::approval::GuardedAct;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::claims::{ClaimPattern, NameTemplate};
use crate::model::client_certificate::CertificateBinding;
use crate::model::clock;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::KeyId;
use crate::model::page::ListPage;
use crate::model::permission::{Grant, Permission, Scope};
use crate::model::printable::prints;
use crate::model::trust::{IssuerTrust, KeySource, ScopeTemplate};
use crate::store::{StoreError, Touches, Tx};

/// How many trusts there may be.
pub const MAX_TRUSTS: u64 = 1_000;
/// How many claims a trust may ask for.
pub const MAX_CLAIMS: usize = 20;
/// The longest name, pattern, template or path in a trust, in bytes.
pub const MAX_TRUST_TEXT: usize = 512;

/// Trusts.
pub struct Trusts<'a> {
    engine: &'a Engine,
    key_sets: &'a KeySets,
}

/// A trust as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct WantedTrust {
    /// What people call it.
    pub name: String,
    /// What `iss` has to be.
    pub issuer: String,
    /// What `aud` has to be, or to have in it.
    pub audience: String,
    /// The file with the issuer's keys, on the server's machine.
    pub jwks_file: Option<String>,
    /// The address where the issuer publishes them, instead of the file.
    pub jwks_url: Option<String>,
    /// The claims, each with its pattern.
    pub claims: Vec<(String, String)>,
    /// The workspace, in which claims may stand; none for all.
    pub workspace: Option<String>,
    /// The building block, in which claims may stand; none for all of the workspace.
    pub block: Option<String>,
    /// Bundles of permissions.
    pub roles: Vec<String>,
    /// Single permissions.
    pub permissions: Vec<String>,
    /// Whether a token is exchanged at most once.
    pub once: bool,
    /// For how many seconds it lives; none for ever.
    pub expires_in: Option<u64>,
}

impl<'a> Trusts<'a> {
    pub(super) const fn new(engine: &'a Engine, key_sets: &'a KeySets) -> Self {
        Self { engine, key_sets }
    }

    /// Has the key sets of issuers fetched by this from now on.
    pub fn fetch_key_sets_with(&self, fetch: Box<dyn FetchKeySet>) {
        self.key_sets.fetch_with(fetch);
    }

    /// The trusts in the order in which they were made.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<ListPage<IssuerTrust>, Error> {
        authorize_everywhere(caller, Permission::KeyList)?;
        let list = self
            .engine
            .store
            .read_page(move |view| view.trusts(after, limit));
        Ok(list.await?)
    }

    /// One trust.
    pub async fn show(&self, caller: &Caller, id: KeyId) -> Result<IssuerTrust, Error> {
        authorize_everywhere(caller, Permission::KeyList)?;
        let found = self.engine.store.read_briefly(move |view| view.trust(id));
        found.await?.ok_or_else(no_trust)
    }

    /// Makes a trust within what the caller has.
    pub async fn create(&self, caller: &Caller, wanted: WantedTrust) -> Result<IssuerTrust, Error> {
        authorize_everywhere(caller, Permission::KeySave)?;
        let new = self.checked(caller, &wanted)?;
        self.has_keys(&new.keys).await?;
        if new.scope.kind() == Some(Scope::All) {
            let what = json!({
                "trust": new.name, "issuer": new.issuer, "audience": new.audience,
                "jwks_file": wanted.jwks_file, "jwks_url": wanted.jwks_url,
                "claims": wanted.claims, "permissions": new.permissions.names(&Scope::All),
                "once": wanted.once, "expires_in": wanted.expires_in,
            });
            second_person(self.engine, caller, GuardedAct::AdminKey, what).await?;
        }
        let trust = new.clone();
        let make = move |tx: &Tx<'_>, by: LiveCaller<'_>| make(tx, by, &new);
        act(self.engine, caller, (Touches::NoState, 0), make).await?;
        Ok(trust)
    }

    /// Removes a trust, and ends its tokens.
    pub async fn remove(&self, caller: &Caller, id: KeyId) -> Result<IssuerTrust, Error> {
        authorize_everywhere(caller, Permission::KeyDelete)?;
        let remove = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let Some(trust) = tx.trust(id)? else {
                return Ok(Err(no_trust()));
            };
            end_trust(tx, by, &trust)?;
            Ok(Ok(trust))
        };
        act(self.engine, caller, (Touches::NoState, 0), remove).await
    }

    fn checked(&self, caller: &Caller, wanted: &WantedTrust) -> Result<IssuerTrust, Error> {
        let name = checked_name("a trust", &wanted.name)?;
        let scope = checked_scope(wanted)?;
        let kind = scope
            .kind()
            .ok_or_else(|| bad_request("a trust needs a scope"))?;
        let asked = (wanted.roles.as_slice(), wanted.permissions.as_slice());
        let permissions = wanted_permissions("a trust", asked, &kind)?;
        let expires_at = checked_end(self.engine, wanted.expires_in)?;
        // Who makes a trust has a key for all workspaces, so each scope that claims can make is
        // within it.
        let grant = Grant {
            scope: kind,
            permissions,
        };
        may_give(
            caller,
            "trust",
            (&grant, &CertificateBinding::default()),
            expires_at,
        )?;
        Ok(IssuerTrust {
            id: KeyId(Uuid::new_v4()),
            name,
            issuer: checked_text("issuer", &wanted.issuer, MAX_ISSUER)?,
            audience: checked_text("audience", &wanted.audience, MAX_TRUST_TEXT)?,
            keys: checked_source(wanted)?,
            claims: checked_claims(&wanted.claims)?,
            scope,
            permissions,
            once: wanted.once,
            created_at: clock::now(),
            created_by: caller.actor.clone(),
            expires_at,
            last_used_at: None,
        })
    }

    /// Sees to it that a source has a key that can be used. What is in a file that is no key set
    /// is not told.
    async fn has_keys(&self, source: &KeySource) -> Result<(), Error> {
        let path = match source {
            KeySource::File(path) => path,
            KeySource::Url(url) => {
                let tried = self.key_sets.try_url(url).await;
                return tried.map_err(|why| {
                    bad_request(format!("the keys at {url:?} cannot be had: {why}"))
                });
            }
        };
        let file = PathBuf::from(path);
        match off_thread(move || sources::read_file(&file)).await? {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(bad_request(format!(
                "{path:?} on the server's machine is no JWK set with a key for RS256, \
                    ES256 or EdDSA"
            ))),
            Err(error) => Err(bad_request(format!(
                "{path:?} on the server's machine cannot be read: {error}"
            ))),
        }
    }
}

fn make(tx: &Tx<'_>, by: LiveCaller<'_>, new: &IssuerTrust) -> Acted<()> {
    if let Some(id) = tx.trust_named(&new.name)? {
        let detail = format!(
            "there is a trust with the name {} already, {id}; remove it first, or take another \
                name",
            new.name
        );
        return Ok(Err(Error::invalid(ErrorCode::NameTaken, detail)));
    }
    if tx.count_trusts()? >= MAX_TRUSTS {
        return Ok(Err(bad_request(format!(
            "there are {MAX_TRUSTS} trusts, which is the most; remove some"
        ))));
    }
    tx.make_trust(new)?;
    tx.record(&trust_event(EventKind::TrustCreate, by, new))?;
    Ok(Ok(()))
}

/// Ends a trust in the transaction of an act.
pub(super) fn end_trust(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    trust: &IssuerTrust,
) -> Result<(), StoreError> {
    tx.remove_trust(trust.id)?;
    tx.record(&trust_event(EventKind::TrustRemove, by, trust))
}

fn trust_event(kind: EventKind, by: LiveCaller<'_>, trust: &IssuerTrust) -> NewEvent {
    let name =
        |template: &Option<NameTemplate>| template.as_ref().map(|name| name.as_str().to_owned());
    NewEvent::new(kind, by, clock::now()).detail(serde_json::json!({
        "trust": trust.actor(),
        "issuer": trust.issuer,
        "audience": trust.audience,
        "claims": trust.claims_json(),
        "workspace": name(&trust.scope.workspace),
        "buildingBlock": name(&trust.scope.block),
        "permissions": trust.permission_names(),
    }))
}

fn no_trust() -> Error {
    Error::invalid(
        ErrorCode::NoTrust,
        "there is no trust with this id; GET /api/trusts lists them",
    )
}

fn checked_text(what: &str, text: &str, most: usize) -> Result<String, Error> {
    let is_good = (1..=most).contains(&text.len())
        && text
            .chars()
            .all(|letter| prints(letter) && !letter.is_whitespace());
    if is_good {
        return Ok(text.to_owned());
    }
    Err(bad_request(format!(
        "{what} has to be a text of 1 to {most} bytes without spaces"
    )))
}

fn checked_source(wanted: &WantedTrust) -> Result<KeySource, Error> {
    let path = match (&wanted.jwks_file, &wanted.jwks_url) {
        (Some(path), None) => path,
        (None, Some(url)) => return checked_url(url),
        (Some(_), Some(_)) | (None, None) => {
            return Err(bad_request(
                "a trust needs either jwks_file, the path of the issuer's keys on the server's \
                    machine, or jwks_url, the address where the issuer publishes them",
            ));
        }
    };
    let is_good =
        Path::new(path).is_absolute() && path.len() <= MAX_TRUST_TEXT && path.chars().all(prints);
    if is_good {
        return Ok(KeySource::File(path.clone()));
    }
    Err(bad_request(format!(
        "jwks_file has to be an absolute path on the server's machine, of at most \
            {MAX_TRUST_TEXT} bytes"
    )))
}

fn checked_url(url: &str) -> Result<KeySource, Error> {
    let is_text = url.len() <= MAX_TRUST_TEXT
        && url
            .chars()
            .all(|letter| letter.is_ascii_graphic() && letter != '#');
    let host = |rest: &str| {
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let has_user = authority.contains('@') || authority.is_empty();
        let name = authority
            .rsplit_once(':')
            .map_or(authority, |(name, _)| name);
        (!has_user).then(|| name.trim_matches(['[', ']']).to_owned())
    };
    let is_secure = url.strip_prefix("https://").and_then(host).is_some();
    let is_here = |host: String| {
        let address = host.parse::<std::net::IpAddr>();
        address.map_or(host == "localhost", |address| address.is_loopback())
    };
    let is_local = url
        .strip_prefix("http://")
        .and_then(host)
        .is_some_and(is_here);
    if is_text && (is_secure || is_local) {
        return Ok(KeySource::Url(url.to_owned()));
    }
    Err(bad_request(format!(
        "jwks_url has to begin with https:// (or http:// and be of the server's machine), without \
            credentials and `#`, and to have at most {MAX_TRUST_TEXT} bytes"
    )))
}

fn checked_claims(wanted: &[(String, String)]) -> Result<Vec<ClaimPattern>, Error> {
    if !(1..=MAX_CLAIMS).contains(&wanted.len()) {
        return Err(bad_request(format!(
            "a trust needs 1 to {MAX_CLAIMS} claims: without one, each token of the issuer would \
                be let in"
        )));
    }
    let claim = |(name, pattern): &(String, String)| {
        let is_good =
            |text: &str| (1..=MAX_TRUST_TEXT).contains(&text.len()) && text.chars().all(prints);
        let (name, pattern) = (name.clone(), pattern.clone());
        if is_good(&name) && is_good(&pattern) {
            return Ok(ClaimPattern { name, pattern });
        }
        Err(bad_request(format!(
            "a claim has a name and a pattern of 1 to {MAX_TRUST_TEXT} bytes that can be seen"
        )))
    };
    wanted.iter().map(claim).collect()
}

fn checked_scope(wanted: &WantedTrust) -> Result<ScopeTemplate, Error> {
    if wanted.workspace.is_none() && wanted.block.is_some() {
        return Err(bad_request("buildingBlock needs a workspace beside it"));
    }
    let read = |text: &Option<String>, of: fn(&str) -> Option<NameTemplate>| {
        let Some(text) = text else {
            return Ok(None);
        };
        let template = Some(text)
            .filter(|text| text.len() <= MAX_TRUST_TEXT)
            .and_then(|text| of(text));
        template.map(Some).ok_or_else(|| {
            bad_request(format!(
                "{text:?} makes no name of a workspace or building block: it is a name in which \
                    {{claim}} stands for the value of a claim"
            ))
        })
    };
    Ok(ScopeTemplate {
        workspace: read(&wanted.workspace, NameTemplate::of_workspace)?,
        block: read(&wanted.block, NameTemplate::of_block)?,
    })
}
