//! Names that give a secret away, also if the state does not mark the value. It is better to hide
//! one value too many.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::model::printable::prints;

/// A name with one of these in it, without regard to letter case and to what stands between letters
/// and digits: `DB_Password`, `private-key`.
const PARTS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
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
/// A name with one of these as a word of its own: `db_pass`, `dbPass`.
const WORDS: &[&str] = &[
    "pass", "pwd", "pw", "dsn", "sas", "psk", "otp", "totp", "jwt", "creds", "bearer", "passkey",
];
/// A name with one of these as its last word: `redis_auth`, but not `auth_type`.
const LAST_WORDS: &[&str] = &[
    "auth",
    "pin",
    "pat",
    "authorization",
    "cookie",
    "sshkey",
    "hmackey",
    "primarykey",
    "secondarykey",
];
/// Ends of words: `userpass`, `adminpw`.
const ENDS: &[&str] = &["pass", "passwort", "pw"];
/// Words that end so and name no secret.
const NO_SECRETS: &[&str] = &[
    "bypass",
    "compass",
    "encompass",
    "overpass",
    "surpass",
    "tresspass",
    "trespass",
    "underpass",
];
/// Words in names that end in `key` and name no secret: `public_key`, `kms_key`, `sort_key`.
const OPEN_KEYS: &[&str] = &[
    "annotation",
    "attribute",
    "authorized",
    "cache",
    "cmk",
    "column",
    "condition",
    "context",
    "dedup",
    "deduplication",
    "event",
    "feature",
    "field",
    "flag",
    "foreign",
    "group",
    "hash",
    "host",
    "index",
    "instance",
    "item",
    "kms",
    "label",
    "lookup",
    "map",
    "member",
    "metadata",
    "object",
    "order",
    "ordering",
    "partition",
    "pub",
    "public",
    "range",
    "record",
    "registry",
    "routing",
    "row",
    "s3",
    "selector",
    "sort",
    "tag",
    "topology",
    "unique",
];
/// Members that name what their siblings are about: `{"name": "DB_PASSWORD", "value": …}`.
const NAMING: &[&str] = &[
    "name",
    "key",
    "variable",
    "var",
    "env",
    "parameter",
    "param",
    "header",
    "field",
    "label",
    "envname",
    "keyname",
];
/// Members with what such a name is about.
const NAMED: &[&str] = &["value", "default", "values"];
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

/// A text with each letter in its plain form: fullwidth letters are letters. What cannot be seen is
/// left out.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let is_seen = |letter: &char| prints(*letter) || letter.is_whitespace();
    if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfkc().filter(is_seen).collect())
    }
}

/// Whether the name of an attribute, a member or an output gives it away.
pub(super) fn give_away(name: &str) -> bool {
    let name = plain(name);
    if has_part(&name) {
        return true;
    }
    let words = words(&name);
    let is_open = |word: &str| OPEN_KEYS.contains(&word);
    let is_secret = |word: &String| {
        WORDS.contains(&word.as_str())
            || ENDS.iter().any(|end| word.ends_with(end)) && !NO_SECRETS.contains(&word.as_str())
    };
    words.iter().any(is_secret)
        || words.split_last().is_some_and(|(last, before)| {
            let is_key = last == "key" && !before.is_empty();
            LAST_WORDS.contains(&last.as_str())
                || is_key && !before.iter().any(|word| is_open(word))
        })
}

/// Whether a text speaks of a secret anywhere.
pub(super) fn mentions(text: &str) -> bool {
    let is_word = |word: &str| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    has_part(text)
        || text
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(is_word)
}

fn has_part(name: &str) -> bool {
    let joined: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    PARTS.iter().any(|part| joined.contains(part))
}

/// The words of a name in lower case: `dbPass`, `DBPass` and `db_pass2` are two words each.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let is_upper =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_uppercase());
        let is_lower =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_lowercase());
        let next = letters.get(at + 1).copied();
        let begins =
            letter.is_ascii_uppercase() && (is_lower(before) || is_upper(before) && is_lower(next));
        if begins || !letter.is_ascii_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(letter.to_ascii_lowercase());
        }
    }
    // The number of a second one is no part of its word.
    let bare = |word: String| {
        word.trim_end_matches(|letter: char| letter.is_ascii_digit())
            .to_owned()
    };
    words
        .into_iter()
        .map(bare)
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether a member names what its siblings are about.
pub(super) fn is_naming(member: &str) -> bool {
    let member = member.replace(['_', '-'], "");
    NAMING
        .iter()
        .any(|known| member.eq_ignore_ascii_case(known))
}

/// Whether an attribute of a resource that has a name which gives it away is what the name is
/// about. All other attributes, such as its id, are about the resource.
pub(super) fn is_named(attribute: &str) -> bool {
    NAMED.contains(&attribute) || CONTENTS.contains(&attribute)
}

/// Whether a resource of this type keeps its secret in this attribute.
pub(super) fn is_content_of_secret(kind: &str, attribute: &str) -> bool {
    CONTENTS.contains(&attribute) && (give_away(kind) || TYPES.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "password DB_Password masterPassword htpasswd client_secret token \
        sas_token private_key_pem private-key \
        primary_connection_string ConnectionString secret_access_key \
        access.key credentials aws-credentials api_key kube_config_raw db_pass PWD \
        admin.0.password primary_key secondary_key primaryKey SecondaryKey primarykey hmac_key \
        HMACKey ssh_key sshKey sshkey deploy_key psk wifi-psk auth redis_auth basicAuth otp \
        user_otp pin user.pin \
        dbPass DBPass db_pass2 userpass USERPASS adminpw admin_pw \
        github_pat jwt Authorization p\u{200b}assword db_pa\u{ad}ss ｐａｓｓｗｏｒｄ ＤＢ＿ＰＡＳＳ \
        𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝 ﬁle_password ⓣⓞⓚⓔⓝ";
    const OPEN: &str = "name id key keys key_name key_id key_arn kms_key kms_key_id kmsKey \
        kms_key_arn cmk_key compass bypass bypass_policy arn tags public_key publicKey \
        ssh_public_key partition_key sort_key hash_key range_key routing_key object_key auth_type \
        authMode authentication author pinned spin pinpoint monkey turkey patch path pattern opt \
        assets passive";

    #[test]
    fn names_that_give_a_secret_away() {
        for name in SECRET.split(' ') {
            assert!(give_away(name), "{name}");
        }
        for name in OPEN.split(' ').chain([""]) {
            assert!(!give_away(name), "{name}");
        }
    }

    #[test]
    fn resources_whose_type_gives_them_away() {
        assert!(is_content_of_secret("random_password", "result"));
        assert!(is_content_of_secret("kubernetes_secret_v1", "data"));
        assert!(is_content_of_secret("aws_ssm_parameter", "value"));
        assert!(!is_content_of_secret("random_password", "length"));
        assert!(!is_content_of_secret("kubernetes_config_map", "data"));
        assert!(!is_content_of_secret("aws_kms_key", "data"));
        assert!(!is_content_of_secret("google_kms_crypto_key", "value"));
    }

    #[test]
    fn members_that_name_their_siblings() {
        for name in ["name", "Name", "KEY", "env_name", "variable"] {
            assert!(is_naming(name), "{name}");
        }
        for name in ["value", "type", "nam", ""] {
            assert!(!is_naming(name), "{name}");
        }
    }
}
