//! Who the server takes the caller for.

use actix_web::HttpResponse;
use serde_json::json;

use crate::http::wire::caller::Authenticated;
use crate::http::wire::reply;
use crate::model::caller::Proof;

pub(in crate::http) async fn whoami(known: Authenticated) -> HttpResponse {
    let caller = known.0;
    let (kind, key) = match caller.proof {
        Proof::Operator => ("operator", None),
        Proof::Key(..) => ("key", Some(&caller.actor)),
        Proof::Token(..) => ("token", Some(&caller.actor)),
    };
    let scope = &caller.grant.scope;
    reply::json(&json!({
        "kind": kind,
        "key": key,
        "workspace": scope.workspace(),
        "buildingBlock": scope.block(),
        "permissions": caller.grant.permissions.names(scope),
        "ends_at": caller.ends,
        "address": caller.origin.address,
    }))
}
