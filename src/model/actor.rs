//! Who did something, and from where, as versions, locks and events remember it.

use std::sync::Arc;

use serde::Serialize;

use super::client_certificate::ClientCertificate;

/// Who did something, as versions, locks and events remember it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The id of an API key, `operator`, or `server`.
    pub id: String,
    /// The key's name, `operator`, or `server`.
    pub name: String,
}

impl Actor {
    /// The person at the machine.
    pub fn operator() -> Self {
        Self {
            id: "operator".to_owned(),
            name: "operator".to_owned(),
        }
    }

    /// The server itself, for what it does on its own.
    pub fn server() -> Self {
        Self {
            id: "server".to_owned(),
            name: "server".to_owned(),
        }
    }
}

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address without its port; `socket` for the data directory's Unix socket.
    pub address: String,
    /// The request's id, which is in the log too.
    pub request_id: String,
    /// The client certificate of the connection, if there is a good one.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Origin {
    /// Of what is not asked over a network: the word that stands for the address.
    pub fn within(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            request_id: String::new(),
            certificate: None,
        }
    }
}
