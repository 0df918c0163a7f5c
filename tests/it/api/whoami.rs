//! `GET /api/whoami`: who the server takes the caller for.

use serde_json::json;

use crate::harness::Server;

#[test]
fn a_caller_is_told_their_key_their_rights_and_their_end() {
    let server = Server::start();
    let body = json!({
        "name": "ci", "workspace": "team", "buildingBlock": "net", "role": "writer",
        "expires_in": 3600,
    });
    let key = server.make_key(&body);
    let told = key.get("/api/whoami").expect_status(200).json();
    assert_eq!(
        (&told["kind"], &told["key"]["name"]),
        (&json!("key"), &json!("ci"))
    );
    assert_eq!(
        (&told["workspace"], &told["buildingBlock"]),
        (&json!("team"), &json!("net"))
    );
    assert_eq!(
        told["permissions"],
        json!(["TFSTATE_SAVE", "TFSTATE_UNLOCK"])
    );
    assert!(
        told["ends_at"].is_string() && told["address"] == "127.0.0.1",
        "{told}"
    );

    let token = server.token(&key, json!({ "permissions": ["TFSTATE_LIST"] }));
    let told = token.get("/api/whoami").expect_status(200).json();
    assert_eq!(
        (&told["kind"], &told["key"]["name"]),
        (&json!("token"), &json!("ci"))
    );
    assert_eq!(told["permissions"], json!(["TFSTATE_LIST"]));

    let told = server.admin().get("/api/whoami").expect_status(200).json();
    assert!(
        told["workspace"].is_null() && told["ends_at"].is_null(),
        "{told}"
    );
    server
        .anonymous()
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
}
