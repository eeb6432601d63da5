//! Whether people can sign in: asked when somebody looks, never when a request is answered.

use super::Provider;
use crate::Engine;
use crate::health::{Check, CheckStatus};
use domain::sign_in::Mode;
use futures_util::future::BoxFuture;

impl Engine {
    /// Asks the provider whether it answers, if there is one.
    pub fn sign_in_check(&self) -> BoxFuture<'_, Check> {
        Box::pin(async move {
            let mode = self.sign_in_mode();
            let asked = match &self.inner.sign_in.provider {
                None => {
                    let message = match mode {
                        Mode::Anonymous => "everybody may come, and gets a workspace for a time",
                        Mode::Local | Mode::Oidc | Mode::WorkOs => {
                            "the user who runs the server is its owner; others come by links"
                        }
                    };
                    return Check::new("sign-in", CheckStatus::Ok, message.to_owned());
                }
                Some(Provider::Oidc(provider)) => provider.ask().await,
                Some(Provider::WorkOs { workos, .. }) => workos.ask().await.map(|()| None),
            };
            let who = self.sign_in_provider().unwrap_or_default();
            match asked {
                Ok(Some(at_ms)) if apart_s(at_ms, self.now().0) > tools::oidc::SKEW_S => Check {
                    next_step: Some("Set the clock that is wrong.".to_owned()),
                    ..Check::new(
                        "sign-in",
                        CheckStatus::Warning,
                        format!(
                            "the clock of {who} is {} s apart from this one: what it says of \
                             people is not believed",
                            apart_s(at_ms, self.now().0)
                        ),
                    )
                },
                Ok(_) => Check::new("sign-in", CheckStatus::Ok, format!("{who} answers")),
                Err(error) => Check {
                    next_step: Some(
                        "Nobody can sign in until it answers; whoever is signed in stays so. \
                         Compare the settings of sign_in with the provider's."
                            .to_owned(),
                    ),
                    ..Check::new("sign-in", CheckStatus::Problem, format!("{who}: {error}"))
                },
            }
        })
    }
}

fn apart_s(theirs_ms: i64, ours_ms: i64) -> i64 {
    theirs_ms.saturating_sub(ours_ms).saturating_abs() / 1_000
}
