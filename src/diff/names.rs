//! Names that give a secret away, also if the state does not mark the value. It is better to hide
//! one value too many.

/// A name with one of these in it, without regard to letter case and to what stands between letters
/// and digits: `DB_Password`, `private-key`.
const PARTS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "privatekey",
    "accesskey",
    "accountkey",
    "apikey",
    "authkey",
    "clientkey",
    "masterkey",
    "sharedkey",
    "signingkey",
    "encryptionkey",
    "connectionstring",
    "kubeconfig",
];
/// A name with one of these as a word of its own: `db_pass`.
const WORDS: [&str; 4] = ["pass", "pwd", "dsn", "sas"];
/// The attributes that hold the secret of a resource whose type gives it away: `random_password`,
/// `kubernetes_secret`.
const CONTENTS: [&str; 10] = [
    "result",
    "value",
    "data",
    "data_json",
    "data_json_wo",
    "binary_data",
    "string_data",
    "content",
    "plaintext_value",
    "bcrypt_hash",
];
/// Types that keep secrets and do not say so.
const TYPES: [&str; 2] = ["aws_ssm_parameter", "random_bytes"];
/// The text in every private key in PEM.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// Whether the name of an attribute, a member or an output gives it away.
pub(super) fn give_away(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    PARTS.iter().any(|part| plain.contains(part))
        || name
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a resource of this type keeps its secret in this attribute.
pub(super) fn is_content_of_secret(kind: &str, attribute: &str) -> bool {
    CONTENTS.contains(&attribute) && (give_away(kind) || TYPES.contains(&kind))
}

/// Whether a text is a secret under any name: it holds a private key, or is JSON in which
/// something gives a secret away.
pub(super) fn is_secret(text: &str) -> bool {
    text.contains(PRIVATE_KEY) || text.trim_start().starts_with(['{', '[']) && give_away(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_give_a_secret_away() {
        for name in [
            "password",
            "DB_Password",
            "masterPassword",
            "htpasswd",
            "client_secret",
            "token",
            "sas_token",
            "private_key_pem",
            "private-key",
            "primary_connection_string",
            "ConnectionString",
            "secret_access_key",
            "access.key",
            "credentials",
            "aws-credentials",
            "api_key",
            "kube_config_raw",
            "db_pass",
            "PWD",
            "admin.0.password",
        ] {
            assert!(give_away(name), "{name}");
        }
        for name in [
            "name",
            "id",
            "key",
            "key_name",
            "compass",
            "bypass_policy",
            "arn",
            "tags",
            "public_key",
            "assets",
            "",
        ] {
            assert!(!give_away(name), "{name}");
        }
    }

    #[test]
    fn texts_that_give_themselves_away() {
        for text in [
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
            r#" {"db": {"password": "x"}}"#,
            r#"[{"name":"API_TOKEN","value":"x"}]"#,
        ] {
            assert!(is_secret(text), "{text}");
        }
        for text in [
            "-----BEGIN PUBLIC KEY-----",
            r#"{"a":1}"#,
            "set a password",
            "",
        ] {
            assert!(!is_secret(text), "{text}");
        }
    }

    #[test]
    fn resources_whose_type_gives_them_away() {
        assert!(is_content_of_secret("random_password", "result"));
        assert!(is_content_of_secret("kubernetes_secret_v1", "data"));
        assert!(is_content_of_secret("aws_ssm_parameter", "value"));
        assert!(!is_content_of_secret("random_password", "length"));
        assert!(!is_content_of_secret("kubernetes_config_map", "data"));
    }
}
