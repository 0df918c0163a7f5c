//! Permissions, scopes and grants: who may do what where, decided by pure functions.

use std::fmt;

use super::name::{StateName, Workspace};

/// One thing that a key may be allowed to do. The names on the wire are meshStack's, and ours
/// beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read outputs that are not sensitive.
    Outputs,
    /// Read states, and all of `Inspect` and `Outputs`.
    List,
    /// Read the current state, lock, unlock one's own lock.
    Plan,
    /// Write, and all of `List` and `Plan`.
    Save,
    /// Delete states.
    Delete,
    /// Break another's lock.
    Unlock,
    /// Freeze states, and lift that.
    Freeze,
    /// Read the event log.
    Events,
    /// Remove the content of old versions.
    Purge,
    /// List API keys.
    KeyList,
    /// Make and rotate API keys.
    KeySave,
    /// Revoke API keys.
    KeyDelete,
    /// Read the server's status and metrics.
    Status,
    /// Take backups.
    Backup,
    /// Verify, prune, hold.
    Operate,
    /// Lists, history, comparisons, resources, outputs, all masked, and locks: all but content.
    Inspect,
}

/// Each permission, its name for one workspace (where it has one) and its name for all.
const NAMES: [(Permission, Option<&str>, &str); 16] = [
    (
        Permission::Outputs,
        Some("TFSTATE_OUTPUTS"),
        "ADM_TFSTATE_OUTPUTS",
    ),
    (Permission::List, Some("TFSTATE_LIST"), "ADM_TFSTATE_LIST"),
    (Permission::Plan, Some("TFSTATE_PLAN"), "ADM_TFSTATE_PLAN"),
    (Permission::Save, Some("TFSTATE_SAVE"), "ADM_TFSTATE_SAVE"),
    (
        Permission::Delete,
        Some("TFSTATE_DELETE"),
        "ADM_TFSTATE_DELETE",
    ),
    (
        Permission::Unlock,
        Some("TFSTATE_UNLOCK"),
        "ADM_TFSTATE_UNLOCK",
    ),
    (
        Permission::Freeze,
        Some("TFSTATE_FREEZE"),
        "ADM_TFSTATE_FREEZE",
    ),
    (
        Permission::Events,
        Some("EVENTLOG_LIST"),
        "ADM_EVENTLOG_LIST",
    ),
    (Permission::Purge, None, "ADM_TFSTATE_PURGE"),
    (Permission::KeyList, None, "ADM_APIKEY_LIST"),
    (Permission::KeySave, None, "ADM_APIKEY_SAVE"),
    (Permission::KeyDelete, None, "ADM_APIKEY_DELETE"),
    (Permission::Status, None, "ADM_STATUS"),
    (Permission::Backup, None, "ADM_BACKUP"),
    (Permission::Operate, None, "ADM_OPERATE"),
    (
        Permission::Inspect,
        Some("TFSTATE_INSPECT"),
        "ADM_TFSTATE_INSPECT",
    ),
];

impl Permission {
    /// The name that it has in a key of this scope.
    pub fn name(self, scope: &Scope) -> &'static str {
        let (_, local, global) = NAMES[self as usize];
        if *scope == Scope::All {
            global
        } else {
            local.unwrap_or(global)
        }
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// Everything.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The set of these.
    pub fn of(permissions: &[Permission]) -> Self {
        Self(
            permissions
                .iter()
                .fold(0, |bits, permission| bits | 1 << *permission as u32),
        )
    }

    /// Those of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without what only a key for all workspaces can have.
    #[must_use]
    pub fn without_admin_only(self) -> Self {
        let local = NAMES
            .iter()
            .filter(|(_, local, _)| local.is_some())
            .fold(0, |bits, (permission, ..)| bits | 1 << *permission as u32);
        Self(self.0 & local)
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set with everything that its members imply.
    #[must_use]
    pub fn closure(self) -> Self {
        let mut bits = self.0;
        for (has, implied) in [
            (Permission::Save, &[Permission::List, Permission::Plan][..]),
            (
                Permission::List,
                &[Permission::Outputs, Permission::Inspect][..],
            ),
            (Permission::Plan, &[Permission::Outputs][..]),
        ] {
            if bits & (1 << has as u32) != 0 {
                bits |= Self::of(implied).0;
            }
        }
        Self(bits)
    }

    /// Whether a permission is in it or implied by it.
    pub fn allows(self, permission: Permission) -> bool {
        self.closure().0 & (1 << permission as u32) != 0
    }

    /// Whether all of another set is in this one or implied by it.
    pub fn covers(self, other: Self) -> bool {
        other.closure().0 & !self.closure().0 == 0
    }

    /// The names of its members in a key of this scope, in a fixed order.
    pub fn names(self, scope: &Scope) -> Vec<&'static str> {
        NAMES
            .iter()
            .filter(|(permission, ..)| self.0 & (1 << *permission as u32) != 0)
            .map(|(permission, ..)| permission.name(scope))
            .collect()
    }

    /// Reads the names that fit a scope: plain ones for a workspace, `ADM_…` ones for all.
    pub fn parse<'a>(
        names: impl IntoIterator<Item = &'a str>,
        scope: &Scope,
    ) -> Result<Self, BadPermission> {
        let everywhere = *scope == Scope::All;
        let mut set = Self::default();
        for name in names {
            let found = find(name, everywhere);
            let permission = found.ok_or_else(|| BadPermission::explain(name, everywhere))?;
            set = set.union(Self::of(&[permission]));
        }
        Ok(set)
    }
}

/// The permission of a name, for all or for a workspace.
fn find(name: &str, everywhere: bool) -> Option<Permission> {
    let fits = |local: Option<&str>, global| {
        if everywhere {
            global == name
        } else {
            local == Some(name)
        }
    };
    let found = NAMES
        .iter()
        .find(|(_, local, global)| fits(*local, *global));
    found.map(|(permission, ..)| *permission)
}

/// Why a permission's name is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPermission {
    /// There is none of that name.
    #[error("there is no permission {0:?}")]
    Unknown(String),
    /// It needs a workspace.
    #[error("{0} needs a workspace; for all workspaces it is ADM_{0}")]
    NeedsWorkspace(String),
    /// It reaches all workspaces.
    #[error("{0} reaches every workspace, so a key for one workspace cannot have it")]
    ReachesAll(String),
    /// There is no such role.
    #[error("there is no role {0:?}; there are {roles}", roles = ROLES.join(", "))]
    UnknownRole(String),
}

impl BadPermission {
    fn explain(name: &str, everywhere: bool) -> Self {
        let known = NAMES
            .iter()
            .any(|(_, local, global)| *local == Some(name) || *global == name);
        match (known, everywhere) {
            (false, _) => Self::Unknown(name.to_owned()),
            (true, true) => Self::NeedsWorkspace(name.to_owned()),
            (true, false) => Self::ReachesAll(name.to_owned()),
        }
    }
}

/// The names of all roles.
pub const ROLES: [&str; 8] = [
    "reader", "outputs", "planner", "writer", "owner", "auditor", "monitor", "admin",
];

/// The permissions of a role, for a key of this scope.
pub fn role(name: &str, scope: &Scope) -> Result<PermissionSet, BadPermission> {
    use Permission::{Delete, Events, Freeze, Inspect, List, Outputs, Plan, Save, Status, Unlock};
    let set = match name {
        "reader" => PermissionSet::of(&[List]),
        "outputs" => PermissionSet::of(&[Outputs]),
        "planner" => PermissionSet::of(&[Plan]),
        "writer" => PermissionSet::of(&[Save, Unlock]),
        "owner" => PermissionSet::of(&[Save, Unlock, Delete, Freeze, Events]),
        "auditor" => PermissionSet::of(&[Inspect, Events]),
        "monitor" => PermissionSet::of(&[Status]),
        "admin" => PermissionSet::ALL,
        _ => return Err(BadPermission::UnknownRole(name.to_owned())),
    };
    if *scope != Scope::All && set.without_admin_only() != set {
        return Err(BadPermission::ReachesAll(format!("the role {name}")));
    }
    Ok(set)
}

/// Where a grant reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every workspace.
    All,
    /// One workspace.
    Workspace(Workspace),
    /// One building block.
    Block(StateName),
}

impl Scope {
    /// The scope that a key's two optional names mean.
    pub fn from_parts(
        workspace: Option<&str>,
        block: Option<&str>,
    ) -> Result<Self, super::name::BadName> {
        match (workspace, block) {
            (None, _) => Ok(Self::All),
            (Some(workspace), None) => Ok(Self::Workspace(workspace.parse()?)),
            (Some(workspace), Some(block)) => Ok(Self::Block(StateName::parse(workspace, block)?)),
        }
    }

    /// Whether a state lies in it.
    pub fn contains(&self, name: &StateName) -> bool {
        match self {
            Self::All => true,
            Self::Workspace(workspace) => *workspace == name.workspace,
            Self::Block(block) => block == name,
        }
    }

    /// Whether another scope lies in it whole.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Workspace(mine), Self::Workspace(theirs)) => mine == theirs,
            (_, Self::Block(name)) => self.contains(name),
            (_, Self::All) | (Self::Block(_), Self::Workspace(_)) => false,
        }
    }

    /// Its workspace, where it has one.
    pub fn workspace(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Workspace(workspace) => Some(workspace.as_str()),
            Self::Block(name) => Some(name.workspace.as_str()),
        }
    }

    /// Its building block, where it has one.
    pub fn block(&self) -> Option<&str> {
        match self {
            Self::All | Self::Workspace(_) => None,
            Self::Block(name) => Some(name.block.as_str()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("every workspace"),
            Self::Workspace(workspace) => write!(f, "workspace {workspace}"),
            Self::Block(name) => write!(f, "state {name}"),
        }
    }
}

/// What a caller may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where.
    pub scope: Scope,
    /// What.
    pub permissions: PermissionSet,
}

impl Grant {
    /// Whether something is allowed on one state.
    pub fn allows(&self, permission: Permission, name: &StateName) -> bool {
        self.permissions.allows(permission) && self.scope.contains(name)
    }

    /// Whether all of another grant lies in this one, so that it may be given away.
    pub fn covers(&self, other: &Self) -> bool {
        self.scope.covers(&other.scope) && self.permissions.covers(other.permissions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str) -> Scope {
        Scope::Block(name.parse().unwrap())
    }

    fn workspace(name: &str) -> Scope {
        Scope::Workspace(name.parse().unwrap())
    }

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, (permission, ..)) in NAMES.iter().enumerate() {
            assert_eq!(*permission as usize, index);
        }
    }

    #[test]
    fn saving_implies_listing_and_planning_and_nothing_else() {
        let save = PermissionSet::of(&[Permission::Save]);
        for implied in [
            Permission::Save,
            Permission::List,
            Permission::Plan,
            Permission::Outputs,
            Permission::Inspect,
        ] {
            assert!(save.allows(implied), "{implied:?}");
        }
        for other in [
            Permission::Delete,
            Permission::Unlock,
            Permission::Events,
            Permission::Purge,
            Permission::KeySave,
        ] {
            assert!(!save.allows(other), "{other:?}");
        }
        assert!(!PermissionSet::of(&[Permission::Plan]).allows(Permission::List));
        assert!(!PermissionSet::of(&[Permission::Plan]).allows(Permission::Inspect));
    }

    #[test]
    fn inspecting_implies_nothing_that_gives_content() {
        let inspect = PermissionSet::of(&[Permission::Inspect]);
        for content in [
            Permission::List,
            Permission::Plan,
            Permission::Outputs,
            Permission::Save,
        ] {
            assert!(!inspect.allows(content), "{content:?}");
        }
        // So a key from before gives away all that it gave away, and the new one too.
        let list = PermissionSet::of(&[Permission::List]);
        assert!(list.covers(inspect));
        assert!(!inspect.covers(list));
    }

    #[test]
    fn scopes_cover_only_what_lies_inside() {
        let cases = [
            (Scope::All, Scope::All, true),
            (Scope::All, block("a/b"), true),
            (workspace("a"), Scope::All, false),
            (workspace("a"), workspace("a"), true),
            (workspace("a"), workspace("b"), false),
            (workspace("a"), block("a/b"), true),
            (workspace("a"), block("b/b"), false),
            (block("a/b"), workspace("a"), false),
            (block("a/b"), block("a/b"), true),
            (block("a/b"), block("a/c"), false),
            (block("a/b"), Scope::All, false),
        ];
        for (outer, inner, covered) in cases {
            assert_eq!(outer.covers(&inner), covered, "{outer} over {inner}");
        }
    }

    #[test]
    fn names_have_to_fit_the_scope() {
        assert!(PermissionSet::parse(["TFSTATE_SAVE"], &workspace("a")).is_ok());
        assert!(PermissionSet::parse(["ADM_TFSTATE_SAVE", "ADM_STATUS"], &Scope::All).is_ok());
        assert_eq!(
            PermissionSet::parse(["TFSTATE_SAVE"], &Scope::All),
            Err(BadPermission::NeedsWorkspace("TFSTATE_SAVE".into()))
        );
        assert_eq!(
            PermissionSet::parse(["ADM_STATUS"], &workspace("a")),
            Err(BadPermission::ReachesAll("ADM_STATUS".into()))
        );
        assert_eq!(
            PermissionSet::parse(["TFSTATE"], &Scope::All),
            Err(BadPermission::Unknown("TFSTATE".into()))
        );
        assert!(role("admin", &workspace("a")).is_err());
        assert!(ROLES.iter().all(|name| role(name, &Scope::All).is_ok()));
        assert_eq!(
            role("writer", &Scope::All).unwrap().names(&Scope::All),
            ["ADM_TFSTATE_SAVE", "ADM_TFSTATE_UNLOCK"]
        );
    }
}
