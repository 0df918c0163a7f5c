//! What a key, or a caller, may do and where, as people read it.

use serde_json::Value;

use crate::cli::output::text;
use crate::model::permission::{PermissionSet, ROLES, Scope, role};

/// Where a key, or a caller, reaches.
pub(in crate::cli) fn scope(key: &Value) -> String {
    match (key["workspace"].as_str(), key["buildingBlock"].as_str()) {
        (None, _) => "every workspace".to_owned(),
        (Some(workspace), None) => workspace.to_owned(),
        (Some(workspace), Some(block)) => format!("{workspace}/{block}"),
    }
}

/// What a key, or a caller, may do.
pub(in crate::cli) fn permissions(key: &Value) -> String {
    names(&key["permissions"])
}

/// The names of client certificates that a key, or a caller's, is bound to.
pub(in crate::cli) fn client_sans(key: &Value) -> String {
    match names(&key["client_sans"]) {
        none if none.is_empty() => "-".to_owned(),
        names => names,
    }
}

/// Names with spaces between.
fn names(names: &Value) -> String {
    let names = names.as_array().into_iter().flatten();
    names.map(text).collect::<Vec<_>>().join(" ")
}

/// The role that has the permissions of a key, or how many they are.
pub(in crate::cli) fn role_or_count(key: &Value) -> String {
    let has: Vec<&str> = key["permissions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let part = |name: &str| key[name].as_str();
    let Ok(scope) = Scope::from_parts(part("workspace"), part("buildingBlock")) else {
        return "-".to_owned();
    };
    // By all that they imply: a key from before a permission was known has its role all the same.
    let Ok(set) = PermissionSet::parse(has.iter().copied(), &scope) else {
        return format!("{} things", has.len());
    };
    let fits =
        |name: &&&str| role(name, &scope).is_ok_and(|of_role| of_role.closure() == set.closure());
    match ROLES.iter().find(fits) {
        Some(name) => (*name).to_owned(),
        None if has.len() == 1 => has[0].to_owned(),
        None => format!("{} things", has.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_told_by_its_role() {
        let key = |permissions: &[&str], workspace: Option<&str>| {
            let mut key = json!({ "permissions": permissions, "workspace": workspace });
            key["buildingBlock"] = Value::Null;
            key
        };
        let reader = role("reader", &Scope::All)
            .expect("a role")
            .names(&Scope::All);
        assert_eq!(role_or_count(&key(&reader, None)), "reader");
        assert_eq!(
            role_or_count(&key(&["TFSTATE_LIST"], Some("team"))),
            "reader"
        );
        assert_eq!(
            role_or_count(&key(&["EVENTLOG_LIST"], Some("team"))),
            "EVENTLOG_LIST"
        );
        assert_eq!(
            role_or_count(&key(&["TFSTATE_LIST", "EVENTLOG_LIST"], Some("team"))),
            "2 things"
        );
        let auditor = ["EVENTLOG_LIST", "TFSTATE_INSPECT"];
        assert_eq!(role_or_count(&key(&auditor, Some("team"))), "auditor");
        // An admin's key from before `ADM_TFSTATE_INSPECT`.
        let mut admin = role("admin", &Scope::All)
            .expect("a role")
            .names(&Scope::All);
        admin.retain(|name| *name != "ADM_TFSTATE_INSPECT");
        assert_eq!(role_or_count(&key(&admin, None)), "admin");
    }
}
