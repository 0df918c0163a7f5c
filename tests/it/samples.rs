//! What tests send: states and locks as the clients make them, and the sums of bytes.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::Client;

/// A lock as Terraform sends it.
pub fn lock_body(id: &str) -> String {
    lock_body_to("OperationTypeApply", id)
}

/// The same for another operation.
pub fn lock_body_to(operation: &str, id: &str) -> String {
    json!({
        "ID": id, "Operation": operation, "Info": "", "Who": "someone@somewhere",
        "Version": "1.11.4", "Created": "2026-01-02T03:04:05.678901234Z", "Path": ""
    })
    .to_string()
}

/// A small valid state.
pub fn tfstate(lineage: &str, serial: u64) -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": {}, "resources": [], "check_results": null
    })
    .to_string()
}

/// A state with outputs and resources; `note` makes the bytes differ where all else is equal.
pub fn tfstate_with(lineage: &str, serial: u64, note: &str, resources: &Value) -> String {
    let outputs = json!({"note": {"value": note, "type": "string"}});
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": outputs, "resources": resources, "check_results": null
    })
    .to_string()
}

/// The same state in other bytes: as [`tfstate`], with an output that holds `note`.
pub fn tfstate_noted(lineage: &str, serial: u64, note: &str) -> String {
    tfstate_with(lineage, serial, note, &json!([]))
}

/// A lineage of its own for each number: what has another lineage than the version before is kept
/// in full, with no delta base.
pub fn lineage(number: u64) -> String {
    format!("{number:08}-1111-4111-8111-111111111111")
}

/// A resource in a state with so many instances.
pub fn resource(mode: &str, kind: &str, name: &str, instances: usize) -> Value {
    let instances: Vec<Value> = (0..instances)
        .map(|index| {
            json!({
                "index_key": index, "schema_version": 0,
                "attributes": {"id": format!("{name}-{index}")}, "sensitive_attributes": []
            })
        })
        .collect();
    json!({
        "mode": mode, "type": kind, "name": name,
        "provider": "provider[\"terraform.io/builtin/terraform\"]", "instances": instances
    })
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The value of `Content-MD5` for some bytes.
pub fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(bytes))
}

/// A well-formed secret of a key that is not its secret: another one for each number.
pub fn forged(key: &Client, number: usize) -> Client {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = format!("{}{number:044}", &key.secret()[.."skp_".len() + 22]);
    let mut rest = crc32fast::hash(body.as_bytes()) as usize;
    let mut checksum = [0; 6];
    for digit in checksum.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    key.with_secret(&format!("{body}{}", String::from_utf8_lossy(&checksum)))
}
