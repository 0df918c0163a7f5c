//! API keys: made, shown, rotated, revoked. Nobody gives away more than they have.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::access::{Acted, act, authorize_everywhere};
use crate::domain::approvals::second_person;
use crate::domain::auth::credentials::{SecretChecks, random};
use crate::domain::auth::giving::{
    bad_request, checked_end, checked_name, may_give, wanted_permissions,
};
use crate::domain::auth::trusts::{Trusts, end_trust};
use crate::domain::engine::Engine;
use crate::domain::engine::data_dir::DirError;
use crate::domain::error::Error;
use crate::model::actor::{Actor, Origin};
use crate::model::approval::GuardedAct;
use crate::model::caller::{Caller, LiveCaller, Proof};
use crate::model::client_certificate::CertificateBinding;
use crate::model::clock;
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::HookId;
use crate::model::key::{ApiKey, KeyId, KeyStatus, NewKey};
use crate::model::page::ListPage;
use crate::model::permission::{Grant, Permission, PermissionSet, Scope};
use crate::model::secret::Secret;
use crate::store::{StoreError, Touches, Tx};

/// The longest time for which a rotated key's old secret may live on.
pub const MAX_GRACE: Duration = Duration::from_hours(7 * 24);

/// API keys.
pub struct Keys<'a> {
    engine: &'a Engine,
    credentials: &'a SecretChecks,
}

impl<'a> Keys<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine, credentials: &'a SecretChecks) -> Self {
        Self {
            engine,
            credentials,
        }
    }
}

/// A key as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct WantedKey {
    /// What people call it.
    pub name: String,
    /// The workspace that it is for; none for all.
    pub workspace: Option<String>,
    /// The building block that it is for; none for all of the workspace.
    pub block: Option<String>,
    /// Bundles of permissions.
    pub roles: Vec<String>,
    /// Single permissions.
    pub permissions: Vec<String>,
    /// For how many seconds it lives; none for ever.
    pub expires_in: Option<u64>,
    /// The names of client certificates that it is bound to; none for as the caller's own key is.
    pub client_sans: Vec<String>,
    /// Whether the server asks clients for a certificate at all.
    pub are_clients_asked: bool,
}

/// A key with its new secret, which is shown this once.
pub struct WithSecret {
    /// The key.
    pub key: ApiKey,
    /// Its secret.
    pub secret: Secret,
}

/// A key that was revoked.
pub struct RevokedKeys {
    /// The key.
    pub key: ApiKey,
    /// Those below it that ended with it, as they were before.
    pub children: Vec<ApiKey>,
    /// The trusts that these keys had made, which are removed.
    pub trusts: Vec<Actor>,
    /// The webhooks that they had made, which are deleted.
    pub hooks: Vec<HookId>,
}

/// What ends with a key.
#[derive(Default)]
struct Offspring {
    children: Vec<ApiKey>,
    trusts: Vec<Actor>,
    hooks: Vec<HookId>,
}

impl<'a> Keys<'a> {
    /// Trusts, which are made and ended as keys are.
    pub const fn trusts(&self) -> Trusts<'a> {
        Trusts::new(self.engine, &self.credentials.key_sets)
    }

    /// The keys in the order in which they were made.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<ListPage<ApiKey>, Error> {
        authorize_everywhere(caller, Permission::KeyList)?;
        Ok(self
            .engine
            .store
            .read_page(move |view| view.keys(after, limit))
            .await?)
    }

    /// One key.
    pub async fn show(&self, caller: &Caller, id: KeyId) -> Result<ApiKey, Error> {
        authorize_everywhere(caller, Permission::KeyList)?;
        self.find(id).await
    }

    async fn find(&self, id: KeyId) -> Result<ApiKey, Error> {
        self.engine
            .store
            .read_briefly(move |view| view.key(id))
            .await?
            .map(|found| found.key)
            .ok_or(Error::NoKey)
    }

    /// Makes a key within what the caller has.
    pub async fn create(&self, caller: &Caller, wanted: WantedKey) -> Result<WithSecret, Error> {
        authorize_everywhere(caller, Permission::KeySave)?;
        let now = clock::now();
        let name = checked_name("a key", &wanted.name)?;
        let grant = wanted_grant(&wanted)?;
        let expires_at = checked_end(self.engine, wanted.expires_in)?;
        let client_sans = wanted_binding(caller, &wanted)?;
        may_give(caller, "key", (&grant, &client_sans), expires_at)?;
        let what = json!({
            "create": name, "permissions": grant.permissions.names(&grant.scope),
            "expires_in": wanted.expires_in, "client_sans": client_sans,
        });
        self.takes_two(caller, &grant, what).await?;
        let id = KeyId(Uuid::new_v4());
        let secret = Secret::for_key(id, random());
        let new = NewKey {
            id,
            name,
            grant,
            check: self.credentials.check_of(&secret).await?,
            created_at: now,
            created_by: caller.actor.clone(),
            expires_at,
            client_sans,
        };
        self.make(caller, new).await?;
        Ok(WithSecret {
            key: self.find(id).await?,
            secret,
        })
    }

    /// Lets a key for all workspaces be made, or another's get a secret, if no second person has to
    /// approve that, or one has.
    async fn takes_two(&self, caller: &Caller, grant: &Grant, what: Value) -> Result<(), Error> {
        if grant.scope != Scope::All {
            return Ok(());
        }
        second_person(self.engine, caller, GuardedAct::AdminKey, what).await
    }

    async fn make(&self, caller: &Caller, new: NewKey) -> Result<(), Error> {
        let now = self.engine.time_for_ends();
        let make = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            if let Some(id) = tx.live_key_named(&new.name, now)? {
                let name = new.name.clone();
                return Ok(Err(Error::NameTaken { name, id }));
            }
            tx.make_key(&new)?;
            let key = (new.id, new.name.as_str());
            let mut event = key_event(EventKind::KeyCreate, by, &new.grant, key);
            if new.client_sans.is_bound() {
                event.detail["client_sans"] = json!(new.client_sans);
            }
            tx.record(&event)?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), make).await
    }

    /// Gives a key another secret; the old one lives on for `grace`.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: KeyId,
        grace: Duration,
    ) -> Result<WithSecret, Error> {
        authorize_everywhere(caller, Permission::KeySave)?;
        if grace > MAX_GRACE {
            let most = MAX_GRACE.as_secs();
            return Err(bad_request(format!(
                "grace has to be at most {most} seconds"
            )));
        }
        let key = self.find(id).await?;
        // Who gets the secret gets all that the key may do.
        may_give(
            caller,
            "key",
            (&key.grant, &key.client_sans),
            key.expires_at,
        )?;
        let ends_by = self.engine.time_for_ends();
        if key.standing(ends_by) != KeyStatus::Active {
            return Err(Error::KeyEnded);
        }
        if caller.key() != Some(id) {
            let what = json!({
                "rotate": id.to_string(), "name": key.name, "grace": grace.as_secs(),
            });
            self.takes_two(caller, &key.grant, what).await?;
        }
        let secret = Secret::for_key(id, random());
        let check = self.credentials.check_of(&secret).await?;
        let until = (!grace.is_zero()).then(|| ends_by + grace);
        let rotate = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            // It may have been revoked while the secret was hashed.
            let is_active = |key: &ApiKey| key.standing(ends_by) == KeyStatus::Active;
            let found = tx.key(id)?.map(|found| found.key).filter(is_active);
            let Some(key) = found else {
                return Ok(Err(Error::KeyEnded));
            };
            tx.rotate_key(id, &check, until, tx.now())?;
            let named = (id, key.name.as_str());
            tx.record(&key_event(EventKind::KeyRotate, by, &key.grant, named))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), rotate).await?;
        Ok(WithSecret {
            key: self.find(id).await?,
            secret,
        })
    }

    /// Ends a key, and its tokens with it. With its children, each key that it made ends too, and
    /// each that those made, and the trusts and webhooks that any of them made.
    pub async fn revoke(
        &self,
        caller: &Caller,
        id: KeyId,
        with_children: bool,
    ) -> Result<RevokedKeys, Error> {
        authorize_everywhere(caller, Permission::KeyDelete)?;
        let revoke = move |tx: &Tx<'_>, by: LiveCaller<'_>| revoke(tx, by, id, with_children);
        let ended = act(self.engine, caller, (Touches::NoState, 0), revoke).await?;
        Ok(RevokedKeys {
            key: self.find(id).await?,
            children: ended.children,
            trusts: ended.trusts,
            hooks: ended.hooks,
        })
    }

    /// Makes the admin key of a first start, when there has never been a key. With `to_file`, its
    /// secret is safe in a file before the key is made.
    pub async fn first_admin(&self, to_file: bool) -> Result<Option<WithSecret>, FirstAdminError> {
        let is_first = self
            .engine
            .store
            .read_briefly(|view| Ok(!view.has_keys()?))
            .await
            .map_err(Error::from)?;
        if !is_first {
            return Ok(None);
        }
        self.make_admin("first start", to_file).await.map(Some)
    }

    /// Makes an admin key for the person at the machine. With `to_file`, its secret is safe in a
    /// file before the key is made.
    pub(in crate::domain) async fn make_admin(
        &self,
        because: &str,
        to_file: bool,
    ) -> Result<WithSecret, FirstAdminError> {
        let id = KeyId(Uuid::new_v4());
        let secret = Secret::for_key(id, random());
        let check = self.credentials.check_of(&secret).await?;
        if to_file {
            self.engine.dir.write_admin_key(&secret)?;
        }
        let operator = Caller::operator(Origin::within(because));
        let grant = Grant {
            scope: Scope::All,
            permissions: PermissionSet::ALL,
        };
        let new = NewKey {
            id,
            name: "admin".to_owned(),
            grant,
            check,
            created_at: clock::now(),
            created_by: Actor::operator(),
            expires_at: None,
            client_sans: CertificateBinding::default(),
        };
        self.make(&operator, new).await?;
        Ok(WithSecret {
            key: self.find(id).await?,
            secret,
        })
    }
}

/// Revokes a key in its transaction. The keys below it, and what ended with them.
fn revoke(tx: &Tx<'_>, by: LiveCaller<'_>, id: KeyId, with_children: bool) -> Acted<Offspring> {
    let Some(found) = tx.key(id)? else {
        return Ok(Err(Error::NoKey));
    };
    if !with_children {
        end(tx, by, &found.key)?;
        return Ok(Ok(Offspring::default()));
    }
    let mut ended = Offspring {
        children: tx.keys_made_by(id)?,
        ..Offspring::default()
    };
    for maker in ended.children.iter().chain([&found.key]) {
        for trust in tx.trusts_made_by(maker.id)? {
            end_trust(tx, by, &trust)?;
            ended.trusts.push(trust.actor());
        }
        // Where a stranger had events sent to, they go no more.
        for hook in tx.hooks_made_by(maker.id)? {
            tx.delete_hook(hook.id)?;
            let event = NewEvent::new(EventKind::HookDelete, by, tx.now());
            tx.record(&event.of_hook(&hook))?;
            ended.hooks.push(hook.id);
        }
    }
    // One that ended before may have made a trust that did not.
    ended.children.retain(|child| child.revoked_at.is_none());
    end(tx, by, &found.key)?;
    ended
        .children
        .iter()
        .try_for_each(|child| end(tx, by, child))?;
    Ok(Ok(ended))
}

fn end(tx: &Tx<'_>, by: LiveCaller<'_>, key: &ApiKey) -> Result<(), StoreError> {
    if key.revoked_at.is_some() {
        return Ok(());
    }
    tx.revoke_key(key.id, tx.now())?;
    let named = (key.id, key.name.as_str());
    tx.record(&key_event(EventKind::KeyRevoke, by, &key.grant, named))
}

/// Why there is no first admin key.
#[derive(Debug, thiserror::Error)]
pub enum FirstAdminError {
    /// The store refuses.
    #[error(transparent)]
    Domain(#[from] Error),
    /// Its file cannot be written.
    #[error(transparent)]
    File(#[from] DirError),
}

fn key_event(
    kind: EventKind,
    by: LiveCaller<'_>,
    grant: &Grant,
    (id, name): (KeyId, &str),
) -> NewEvent {
    let detail = serde_json::json!({
        "key": { "id": id.to_string(), "name": name },
        "permissions": grant.permissions.names(&grant.scope),
    });
    NewEvent::new(kind, by, clock::now())
        .within(&grant.scope)
        .detail(detail)
}

fn wanted_grant(wanted: &WantedKey) -> Result<Grant, Error> {
    if wanted.workspace.is_none() && wanted.block.is_some() {
        return Err(bad_request("buildingBlock needs a workspace beside it"));
    }
    let scope = Scope::from_parts(wanted.workspace.as_deref(), wanted.block.as_deref())
        .map_err(|error| bad_request(error.to_string()))?;
    let asked = (wanted.roles.as_slice(), wanted.permissions.as_slice());
    let permissions = wanted_permissions("a key", asked, &scope)?;
    Ok(Grant { scope, permissions })
}

/// The client certificates that a key is to be bound to: those that are asked for, or as the
/// caller's own key is.
fn wanted_binding(caller: &Caller, wanted: &WantedKey) -> Result<CertificateBinding, Error> {
    let bound = CertificateBinding::wanted(&wanted.client_sans)
        .map_err(|error| bad_request(error.to_string()))?;
    if !bound.is_bound() {
        return Ok(caller.client_sans.clone());
    }
    // The person at the machine may start the server with it next.
    if wanted.are_clients_asked || caller.proof == Proof::Operator {
        return Ok(bound);
    }
    Err(bad_request(
        "this server asks clients for no certificate, so it would never take the key; start it \
            with --tls-client-ca first, or create the key on the server machine",
    ))
}
