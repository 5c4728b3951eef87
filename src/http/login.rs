//! Logging in and out, and changing one's password.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Weak,
};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use shanmen_actors::api::{Account, Fault, LoggedIn as LoggedInAt, Logins};
use utoipa::ToSchema;

use super::{
    App, Shared,
    body::Body,
    json,
    passwords::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS},
    problem::Problem,
    roles::{Anyone, COOKIE, May},
    tokens,
};
use crate::first_login;

/// How long a login lasts: a shift.
const LOGIN_MS: i64 = 12 * 3_600_000;

/// A login. Its `Debug` would tell the password, so it has none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The user.
    user: String,
    /// The password.
    password: String,
}

/// What a login gives.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// The token: send it as `Authorization: Bearer …`.
    token: String,
    /// What it may do.
    roles: Vec<String>,
    /// When it is over (RFC 3339).
    expires: String,
}

/// A change of one's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The password so far.
    old: String,
    /// The new one, at least 10 characters.
    new: String,
}

/// Logs in: a token for machines, and a cookie with it for the pages.
#[utoipa::path(post, path = "/api/v1/login", tag = "login", request_body = Login, responses(
    (status = 200, description = "logged in", body = LoggedIn)))]
pub(super) async fn login(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Body(login): Body<Login>,
) -> Result<Response, Problem> {
    let account = app.checked(&login.user, login.password, from.ip()).await?;
    let (token, digest) = tokens::fresh()?;
    let expires = app.plane.clock().now().plus_ms(LOGIN_MS);
    app.plane.put_token(digest, &account.user, &account.roles, expires).await?;
    tracing::info!(user = %account.user, "logged in");
    let cookie = app.cookie(&token, LOGIN_MS / 1000);
    let body = LoggedIn { token, roles: account.roles, expires: app.times.text(expires) };
    with_cookie(json(&body)?, &cookie)
}

/// Logs out: the token is no longer good.
#[utoipa::path(post, path = "/api/v1/logout", tag = "login",
    responses((status = 204, description = "logged out")))]
pub(super) async fn logout(
    State(app): State<App>,
    caller: May<Anyone>,
) -> Result<Response, Problem> {
    let over = app.plane.clock().now();
    app.plane.put_token(caller.digest, &caller.user, &[], over).await?;
    let cookie = app.cookie("", 0);
    with_cookie(StatusCode::NO_CONTENT.into_response(), &cookie)
}

/// Changes one's own password.
#[utoipa::path(post, path = "/api/v1/password", tag = "login", request_body = PasswordChange, responses(
    (status = 204, description = "changed")))]
pub(super) async fn change_password(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    caller: May<Anyone>,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    good_password(&change.new)?;
    let account = app.checked(&caller.user, change.old, from.ip()).await?;
    let password_hash = Some(app.passwords.hash(change.new).await?);
    app.plane.put_account(Account { password_hash, ..account }).await?;
    first_login::forget(&app.data, &caller.user);
    app.audit(&caller.user, "user.password", &caller.user, "").await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new password is long enough to be one, and short enough to be hashed.
///
/// # Errors
/// `invalid` when it is not.
pub(super) fn good_password(password: &str) -> Result<(), Problem> {
    if password.chars().count() < PASSWORD_MIN_CHARS || password.len() > PASSWORD_MAX_BYTES {
        return Err(Problem::invalid(format!(
            "a password has {PASSWORD_MIN_CHARS} characters to {PASSWORD_MAX_BYTES} bytes"
        )));
    }
    Ok(())
}

/// Checks passwords that operators type at handhelds.
pub(super) struct AtDevices(pub(super) Weak<Shared>);

impl Logins for AtDevices {
    fn login(
        &self,
        device: String,
        user: String,
        password: String,
    ) -> BoxFuture<'_, Result<LoggedInAt, Fault>> {
        Box::pin(async move {
            let app = self.0.upgrade().ok_or(Fault::Busy("the program"))?;
            // Behind a device there is no address of its own: wrong passwords count by the user.
            let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let account = app.checked(&user, password, nowhere).await.map_err(|problem| {
                match problem.status() {
                    StatusCode::UNAUTHORIZED => Fault::Forbidden("wrong user or password".into()),
                    StatusCode::TOO_MANY_REQUESTS => Fault::Busy("the list of wrong passwords"),
                    _ => Fault::Internal("the login failed".into()),
                }
            })?;
            let (token, digest) =
                tokens::fresh().map_err(|_| Fault::Internal("no randomness".into()))?;
            let expires = app.plane.clock().now().plus_ms(LOGIN_MS);
            app.plane.put_token(digest, &account.user, &account.roles, expires).await?;
            tracing::info!(user = %account.user, device, "logged in at a device");
            Ok(LoggedInAt { token, roles: account.roles, expires })
        })
    }
}

impl Shared {
    /// The pages' cookie; it never leaves in clear text where the pages are HTTPS.
    fn cookie(&self, token: &str, max_age_s: i64) -> String {
        self.cookie_named(COOKIE, token, max_age_s)
    }

    /// A cookie for the pages, of any name.
    pub(super) fn cookie_named(&self, name: &str, token: &str, max_age_s: i64) -> String {
        let secure = if self.https { "; Secure" } else { "" };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}; Max-Age={max_age_s}")
    }

    /// The account of a user whose password this is.
    async fn checked(
        &self,
        user: &str,
        password: String,
        from: IpAddr,
    ) -> Result<Account, Problem> {
        // Asked again after the wait for one's turn, or many at once would all get through.
        self.not_blocked(user, from)?;
        let turn = self.passwords.turn().await?;
        self.not_blocked(user, from)?;
        let account = if user.len() <= 64 { self.plane.account(user).await? } else { None };
        let stored = account.as_ref().and_then(|account| account.password_hash.clone());
        if let (true, Some(account)) = (turn.fits(password, stored).await?, account) {
            self.logins.succeeded(user, from);
            return Ok(account);
        }
        self.logins.failed(user, from, self.plane.clock().now());
        metrics::counter!("shanmen_login_failures_total").increment(1);
        // The name is not logged: people type passwords into the wrong field.
        tracing::warn!(%from, "login failed");
        Err(Problem::unauthorized("wrong user or password"))
    }

    fn not_blocked(&self, user: &str, from: IpAddr) -> Result<(), Problem> {
        let blocked = self.logins.blocked_s(user, from, self.plane.clock().now());
        blocked.map_or(Ok(()), |retry_s| Err(Problem::too_many(retry_s)))
    }
}

fn with_cookie(mut response: Response, cookie: &str) -> Result<Response, Problem> {
    let value = HeaderValue::from_str(cookie).map_err(Problem::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}
