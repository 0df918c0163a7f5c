//! Who the server takes the caller for.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use crate::domain::Domain;
use crate::http::wire::caller::Authenticated;
use crate::http::wire::reply;
use crate::model::caller::Proof;
use crate::model::token::OwnerId;

pub(in crate::http) async fn whoami(known: Authenticated, domain: Data<Domain>) -> HttpResponse {
    let caller = known.0;
    let kind = match caller.proof {
        Proof::Operator => "operator",
        Proof::Key(..) => "key",
        Proof::Token(..) => "token",
        Proof::IdToken(_) => "id_token",
    };
    let (key, trust) = match caller.owner() {
        None => (None, None),
        Some(OwnerId::Key(_)) => (Some(&caller.actor), None),
        Some(OwnerId::Trust(_)) => (None, Some(&caller.actor)),
    };
    let scope = &caller.grant.scope;
    reply::json(&json!({
        "kind": kind,
        "key": key,
        "trust": trust,
        "workspace": scope.workspace(),
        "buildingBlock": scope.block(),
        "permissions": caller.grant.permissions.names(scope),
        "ends_at": caller.ends,
        "client_sans": caller.client_sans,
        "address": caller.origin.address,
        "max_page": domain.engine().limits().max_page,
    }))
}
