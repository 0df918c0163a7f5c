//! Trusts: which ID tokens of which issuer stand for which scope and permissions.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::actor::Actor;
use super::claims::{ClaimPattern, Claims, NameTemplate, claim, told};
use super::clock::Timestamp;
use super::key::{KeyId, Lapse};
use super::permission::{Grant, PermissionSet, Scope};

/// Where an issuer's public keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// A file on the server's machine, by its absolute path.
    File(String),
    /// An address that the server asks.
    Url(String),
}

/// What ID tokens of a trust reach: names in which claims may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeTemplate {
    /// The workspace; none for all.
    pub workspace: Option<NameTemplate>,
    /// The building block; none for all of the workspace.
    pub block: Option<NameTemplate>,
}

impl ScopeTemplate {
    /// A scope of the kind that it makes, for the names of permissions.
    pub fn kind(&self) -> Option<Scope> {
        let any = |template: &Option<NameTemplate>| template.as_ref().map(|_| "x");
        Scope::from_parts(any(&self.workspace), any(&self.block)).ok()
    }

    /// The scope that claims make of it; none if they make no valid name.
    pub fn fill(&self, claims: &Claims) -> Option<Scope> {
        let name = |template: &Option<NameTemplate>| match template {
            Some(template) => template.fill(claims).map(Some),
            None => Some(None),
        };
        let (workspace, block) = (name(&self.workspace)?, name(&self.block)?);
        Scope::from_parts(workspace.as_deref(), block.as_deref()).ok()
    }
}

/// Which ID tokens of an issuer stand for which scope and permissions.
#[derive(Clone, Debug)]
pub struct IssuerTrust {
    /// Its id. It is one of the same kind as a key's: what is bounded for a key is for a trust.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What `iss` has to be.
    pub issuer: String,
    /// What `aud` has to be, or to have in it.
    pub audience: String,
    /// Where the issuer's keys come from.
    pub keys: KeySource,
    /// What else has to be true of a token.
    pub claims: Vec<ClaimPattern>,
    /// What its tokens reach.
    pub scope: ScopeTemplate,
    /// What they may do there.
    pub permissions: PermissionSet,
    /// Whether a token is exchanged at most once, by its `jti`.
    pub once: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Actor,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When a token of it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl IssuerTrust {
    /// Whether it stands at this moment.
    pub fn check(&self, now: Timestamp) -> Result<(), Lapse> {
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Lapse::Expired);
        }
        Ok(())
    }

    /// The trust as an actor.
    pub fn actor(&self) -> Actor {
        Actor {
            id: self.id.to_string(),
            name: self.name.clone(),
        }
    }

    /// The names of its permissions.
    pub fn permission_names(&self) -> Vec<&'static str> {
        let scope = self.scope.kind().unwrap_or(Scope::All);
        self.permissions.names(&scope)
    }

    /// What a token with these claims may do; none if its claims make no valid name.
    pub fn grant(&self, claims: &Claims) -> Option<Grant> {
        Some(Grant {
            scope: self.scope.fill(claims)?,
            permissions: self.permissions,
        })
    }

    /// The claims that let a token in, as an event tells them.
    pub fn told(&self, claims: &Claims) -> Value {
        let templates = [&self.scope.workspace, &self.scope.block];
        let in_names = templates
            .into_iter()
            .flatten()
            .flat_map(NameTemplate::claims);
        let names = self
            .claims
            .iter()
            .map(|claim| claim.name.as_str())
            .chain(in_names);
        let value = |name: &str| Some((name.to_owned(), told(claim(claims, name)?).into()));
        Value::Object(names.filter_map(value).collect())
    }

    /// Its claims as a JSON object.
    pub fn claims_json(&self) -> Map<String, Value> {
        let member = |claim: &ClaimPattern| (claim.name.clone(), claim.pattern.clone().into());
        self.claims.iter().map(member).collect()
    }

    /// The trust at this moment, for showing.
    pub fn shown(&self, now: Timestamp) -> ShownTrust<'_> {
        ShownTrust { trust: self, now }
    }
}

/// A trust as the API shows it.
pub struct ShownTrust<'a> {
    trust: &'a IssuerTrust,
    now: Timestamp,
}

impl Serialize for ShownTrust<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trust = self.trust;
        let (file, url) = match &trust.keys {
            KeySource::File(path) => (Some(path), None),
            KeySource::Url(url) => (None, Some(url)),
        };
        let name = |template: &Option<NameTemplate>| {
            template.as_ref().map(|name| name.as_str().to_owned())
        };
        let is_active = trust.check(self.now).is_ok();
        let status = if is_active { "active" } else { "expired" };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &trust.id.to_string())?;
        map.serialize_entry("name", &trust.name)?;
        map.serialize_entry("issuer", &trust.issuer)?;
        map.serialize_entry("audience", &trust.audience)?;
        map.serialize_entry("jwks_file", &file)?;
        map.serialize_entry("jwks_url", &url)?;
        map.serialize_entry("claims", &trust.claims_json())?;
        map.serialize_entry("workspace", &name(&trust.scope.workspace))?;
        map.serialize_entry("buildingBlock", &name(&trust.scope.block))?;
        map.serialize_entry("permissions", &trust.permission_names())?;
        map.serialize_entry("once", &trust.once)?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("created_at", &trust.created_at)?;
        map.serialize_entry("created_by", &trust.created_by)?;
        map.serialize_entry("expires_at", &trust.expires_at)?;
        map.serialize_entry("last_used_at", &trust.last_used_at)?;
        map.end()
    }
}
