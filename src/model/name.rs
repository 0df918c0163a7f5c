//! The names of states: a workspace and a building block, parsed once and valid ever after.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

/// The most characters that a name may have.
pub const MAX_NAME_LENGTH: usize = 63;

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} has to be 1 to {MAX_NAME_LENGTH} characters: first an ASCII letter or digit, then \
        letters, digits, '.', '_' or '-'"
)]
pub struct BadName(&'static str);

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() <= MAX_NAME_LENGTH
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(inner)
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

/// The name of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workspace(String);

text_type!(Workspace);

impl FromStr for Workspace {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName("the workspace"))
        }
    }
}

/// The name of a building block. A UUID, however it is spelled, is one name: lower-case with
/// hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildingBlock(String);

text_type!(BuildingBlock);

impl FromStr for BuildingBlock {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if let Ok(uuid) = Uuid::try_parse(text) {
            return Ok(Self(uuid.hyphenated().to_string()));
        }
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName("the building block"))
        }
    }
}

/// The name of a state, written `workspace/building-block`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateName {
    /// The workspace that it belongs to.
    pub workspace: Workspace,
    /// The building block whose state it is.
    pub block: BuildingBlock,
}

impl StateName {
    /// Reads both parts.
    pub fn parse(workspace: &str, block: &str) -> Result<Self, BadName> {
        Ok(Self {
            workspace: workspace.parse()?,
            block: block.parse()?,
        })
    }

    /// The path of the state's address, from `/api` on.
    pub fn path(&self) -> String {
        format!(
            "/api/terraform/state/workspace/{}/buildingblock/{}",
            self.workspace, self.block
        )
    }
}

impl FromStr for StateName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (workspace, block) = text.split_once('/').ok_or(BadName(
            "a state is named WORKSPACE/BUILDINGBLOCK; each part",
        ))?;
        Self::parse(workspace, block)
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.workspace, self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_contract_takes() {
        for good in ["a", "7", "a.b_c-d", "A..B", &"x".repeat(63)] {
            assert!(good.parse::<Workspace>().is_ok(), "{good}");
            assert!(good.parse::<BuildingBlock>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "_a",
            "a/b",
            "a b",
            "a%2Fb",
            "ä",
            "a\n",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<Workspace>().is_err(), "{bad}");
            assert!(bad.parse::<BuildingBlock>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_uuid_is_one_name_in_all_its_spellings() {
        let plain = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        for spelling in [
            plain,
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
        ] {
            assert_eq!(
                spelling
                    .parse::<BuildingBlock>()
                    .map(|block| block.to_string())
                    .as_deref(),
                Ok(plain)
            );
        }
    }
}
