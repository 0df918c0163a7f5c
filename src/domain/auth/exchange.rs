//! ID tokens as credentials: exchanged for a token of ours, or used as they are. Each that is let
//! in is an event with the trust and the claims that let it in, and never with the token.

use crate::domain::access::act;
use crate::domain::auth::credentials::FailureKey;
use crate::domain::auth::giving::bad_request;
use crate::domain::auth::id_tokens::admission::{AdmittedToken, NotAdmitted, admit};
use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::auth::logins::{Issued, Logins, WantedToken};
use crate::domain::auth::tokens::{Exchanged, LetIn, login_detail};
use crate::domain::error::{Error, Unproven};
use crate::model::actor::Origin;
use crate::model::caller::{Caller, LiveCaller, Proof};
use crate::model::client_certificate::CertificateBinding;
use crate::model::event::{EventKind, NewEvent};
use crate::model::secret::Secret;
use crate::store::{Touches, Tx};

impl Logins<'_> {
    /// Makes a token from an ID token, with all that its trust gives or less. It ends no later than
    /// the ID token.
    pub async fn exchange(
        &self,
        assertion: &Secret,
        wanted: &WantedToken,
        origin: Origin,
    ) -> Result<Issued, Error> {
        let admitted = self.admitted(assertion, &origin).await?;
        if wanted.renewable {
            return Err(bad_request(
                "a token that was made from an ID token cannot extend itself; leave renewable out, \
                    and exchange a fresh ID token when it ends",
            ));
        }
        let caller = caller(&admitted, origin);
        let trust = admitted.trust.actor();
        let exchanged = Exchanged {
            spends: admitted
                .jti
                .filter(|_| admitted.trust.once)
                .map(|jti| (jti, admitted.ends)),
            let_in: let_in(&admitted),
        };
        self.events.count_use(admitted.trust.id);
        match self.issue(&caller, wanted, (None, Some(exchanged))).await {
            // Others may have exchanged it in the meantime.
            Err(Error::Unauthorized(why)) => {
                let why = Unproven {
                    key: Some(trust),
                    ..why
                };
                Err(self.refuse(&FailureKey::at(&caller.origin), why, &caller.origin))
            }
            issued => issued,
        }
    }

    /// Who an ID token stands for that is used as it is.
    pub(super) async fn by_id_token(
        &self,
        secret: &Secret,
        origin: Origin,
    ) -> Result<Caller, Error> {
        let admitted = self.admitted(secret, &origin).await?;
        if admitted.trust.once {
            let refused = NotAdmitted {
                fault: IdTokenFault::ExchangeOnly,
                trust: Some(admitted.trust.actor()),
            };
            return Err(self.not_admitted(refused, &origin));
        }
        self.events.count_use(admitted.trust.id);
        let caller = caller(&admitted, origin);
        self.record_first_use(secret, &caller, &admitted).await?;
        Ok(caller)
    }

    async fn admitted(&self, secret: &Secret, origin: &Origin) -> Result<AdmittedToken, Error> {
        let known = (&self.engine.store, &self.credentials.key_sets);
        let admitted = admit(secret.reveal(), known, self.engine.time_for_ends()).await?;
        admitted.map_err(|refused| self.not_admitted(refused, origin))
    }

    fn not_admitted(&self, refused: NotAdmitted, origin: &Origin) -> Error {
        let why = Unproven::id_token(refused.fault.words(), refused.trust);
        self.refuse(&FailureKey::at(origin), why, origin)
    }

    /// Writes down that an ID token was used, once for each while the process remembers it. It is
    /// not used if this fails.
    async fn record_first_use(
        &self,
        secret: &Secret,
        caller: &Caller,
        admitted: &AdmittedToken,
    ) -> Result<(), Error> {
        let digest = secret.digest();
        if self
            .credentials
            .seen_id_tokens
            .lock()
            .get(&digest)
            .is_some()
        {
            return Ok(());
        }
        let (grant, ends, let_in) = (admitted.grant.clone(), admitted.ends, let_in(admitted));
        let record = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let event = NewEvent::new(EventKind::Login, by, tx.now()).within(&grant.scope);
            let mut detail = login_detail(&grant, ends, Some(&let_in));
            detail["direct"] = true.into();
            tx.record(&event.detail(detail))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), record).await?;
        self.credentials.seen_id_tokens.lock().put(digest, ());
        Ok(())
    }
}

fn caller(admitted: &AdmittedToken, origin: Origin) -> Caller {
    Caller {
        actor: admitted.trust.actor(),
        proof: Proof::IdToken(admitted.trust.id),
        grant: admitted.grant.clone(),
        ends: Some(admitted.ends),
        client_sans: CertificateBinding::default(),
        origin,
    }
}

fn let_in(admitted: &AdmittedToken) -> LetIn {
    LetIn {
        trust: admitted.trust.actor(),
        claims: admitted.told.clone(),
    }
}
