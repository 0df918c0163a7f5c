//! Why an ID token is refused: the word for the events, and what its holder is told.

/// Why an ID token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdTokenFault {
    /// It is no JWS of three parts, or too large, or a part is not what it has to be.
    Malformed,
    /// A member of its header or its claims stands twice.
    Doubled,
    /// Its algorithm is none that is taken.
    Algorithm,
    /// Its header asks for what is not known here, or says that it is no ID token.
    Header,
    /// No trust is in its issuer.
    Issuer,
    /// The keys of its issuer cannot be read.
    NoKeys,
    /// Its issuer has no such key for its algorithm.
    UnknownKey,
    /// Its signature is not by that key.
    Signature,
    /// It says no end.
    NoEnd,
    /// It has ended.
    Expired,
    /// It begins, or was made, in the future.
    NotYet,
    /// It is for another audience.
    Audience,
    /// Its claims are not those of a trust.
    Claims,
    /// Its claims make no valid name of a workspace or building block.
    Scope,
    /// The trust has ended.
    TrustEnded,
    /// The trust takes each token once, and this one has no `jti`.
    NoId,
    /// The trust takes each token once, so it has to be exchanged.
    ExchangeOnly,
    /// The trust takes each token once, and this one was exchanged.
    Spent,
}

/// What the holder of a token is told that proved nothing.
const UNVERIFIED: &str = "this ID token is not taken: no trust is in its issuer, or it is not as \
    that signed it; the event `credentials.refused` on the server has the reason";

impl IdTokenFault {
    /// What the holder is told, and the reason.
    pub const fn words(self) -> (&'static str, &'static str) {
        (self.told(), self.as_str())
    }

    /// The reason, as the log and the events give it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "id_token_malformed",
            Self::Doubled => "id_token_doubled_member",
            Self::Algorithm => "id_token_algorithm",
            Self::Header => "id_token_header",
            Self::Issuer => "id_token_issuer",
            Self::NoKeys => "id_token_no_keys",
            Self::UnknownKey => "id_token_unknown_key",
            Self::Signature => "id_token_signature",
            Self::NoEnd => "id_token_no_end",
            Self::Expired => "id_token_expired",
            Self::NotYet => "id_token_not_yet",
            Self::Audience => "id_token_audience",
            Self::Claims => "id_token_claims",
            Self::Scope => "id_token_scope",
            Self::TrustEnded => "id_token_trust_ended",
            Self::NoId => "id_token_no_jti",
            Self::ExchangeOnly => "id_token_exchange_only",
            Self::Spent => "id_token_spent",
        }
    }

    /// What the holder is told. Only a token whose signature is good is told more than that it is
    /// not taken.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::Doubled
            | Self::Algorithm
            | Self::Header
            | Self::Issuer
            | Self::NoKeys
            | Self::UnknownKey
            | Self::Signature => UNVERIFIED,
            Self::NoEnd => "this ID token has no `exp`; have the issuer make it with an end",
            Self::Expired => "this ID token has expired; get a fresh one",
            Self::NotYet => {
                "this ID token is from the future by its `nbf` or `iat`; compare the clocks of the \
                    issuer and of this server"
            }
            Self::Audience => {
                "this ID token is for another audience; ask for one with the `aud` that the trust \
                    names"
            }
            Self::Claims => {
                "this ID token does not have the claims that a trust in its issuer asks for"
            }
            Self::Scope => {
                "the claims of this ID token make no valid name of a workspace or building block; \
                    compare them with the trust"
            }
            Self::TrustEnded => "the trust in this ID token has reached its end",
            Self::NoId => {
                "the trust takes each ID token once, and this one has no `jti` to be known by"
            }
            Self::ExchangeOnly => {
                "the trust takes each ID token once; exchange it at /api/login and use the token \
                    that comes back"
            }
            Self::Spent => "this ID token was exchanged before; get a fresh one",
        }
    }
}
