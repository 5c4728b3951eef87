//! Who may do what: accounts for people, tokens for machines. For an admin only.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde::{Deserialize, Serialize};
use shanmen_actors::api::Account;
use shanmen_protocols::ids::is_name;
use utoipa::ToSchema;

use super::{
    App, ROLES, Shared,
    body::Body,
    json,
    login::good_password,
    problem::Problem,
    roles::{ManageUsers, May},
    tokens,
};
use crate::first_login;

/// A day.
const DAY_MS: i64 = 86_400_000;

/// The longest life of a machine's token, in days.
const TOKEN_DAYS_MAX: u16 = 366;

/// One account; never its password.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    /// The login name.
    #[serde(rename = "user")]
    name: String,
    /// Its roles.
    roles: Vec<String>,
    /// Whether it can log in with a password.
    password: bool,
}

/// All accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct Users {
    /// By name.
    users: Vec<User>,
}

/// An account to be added or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPut {
    /// Its roles: `admin`, `operator`, `manager`, `seller`, `finance`, `auditor`, `device-admin`,
    /// `viewer`.
    roles: Vec<String>,
    /// A new password, at least 10 characters; omitted: as it is, or none for a machine.
    #[serde(default)]
    password: Option<String>,
}

/// A token for a machine.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// Whose name stands on the audit trail.
    user: String,
    /// What it may do.
    roles: Vec<String>,
    /// How long, 1 to 366 days.
    days: u16,
}

/// A token: told once.
#[derive(Serialize, ToSchema)]
pub(super) struct MachineToken {
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// What it may do.
    roles: Vec<String>,
    /// When it is over (RFC 3339).
    expires: String,
}

/// All accounts.
#[utoipa::path(get, path = "/api/v1/users", tag = "users",
    responses((status = 200, description = "all accounts", body = Users)))]
pub(super) async fn list(State(app): State<App>, _: May<ManageUsers>) -> Result<Response, Problem> {
    let user = |account: Account| User {
        name: account.user,
        roles: account.roles,
        password: account.password_hash.is_some(),
    };
    let users = app.plane.accounts().await?.into_iter().map(user).collect();
    json(&Users { users })
}

/// Adds an account, or changes its roles and password.
#[utoipa::path(put, path = "/api/v1/users/{user}", tag = "users", request_body = UserPut,
    params(("user" = String, Path, description = "the login name, [a-z0-9-]{1,32}")),
    responses((status = 204, description = "done")))]
pub(super) async fn put(
    State(app): State<App>,
    caller: May<ManageUsers>,
    Path(user): Path<String>,
    Body(put): Body<UserPut>,
) -> Result<StatusCode, Problem> {
    good_user(&user, &put.roles)?;
    if user == caller.user && !put.roles.iter().any(|role| role == "admin") {
        let detail = "an admin cannot give up the role admin; let another admin take it";
        return Err(Problem::new(StatusCode::CONFLICT, "conflict", detail));
    }
    let known = app.plane.account(&user).await?;
    let renewed = put.password.is_some();
    let password_hash = match put.password {
        Some(password) => {
            good_password(&password)?;
            Some(app.passwords.hash(password).await?)
        }
        None => known.and_then(|account| account.password_hash),
    };
    let note = put.roles.join(" ");
    app.plane.put_account(Account { user: user.clone(), password_hash, roles: put.roles }).await?;
    if renewed {
        first_login::forget(&app.data, &user);
    }
    app.audit(&caller.user, "user.put", &user, &note).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token for a machine.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "users", request_body = TokenRequest,
    responses((status = 200, description = "the token, told once", body = MachineToken)))]
pub(super) async fn token(
    State(app): State<App>,
    caller: May<ManageUsers>,
    Body(request): Body<TokenRequest>,
) -> Result<Response, Problem> {
    good_user(&request.user, &request.roles)?;
    if !(1..=TOKEN_DAYS_MAX).contains(&request.days) {
        return Err(Problem::invalid(format!("days: 1 to {TOKEN_DAYS_MAX}")));
    }
    let (token, digest) = tokens::fresh()?;
    let expires = app.plane.clock().now().plus_ms(i64::from(request.days) * DAY_MS);
    app.plane.put_token(digest, &request.user, &request.roles, expires).await?;
    app.audit(&caller.user, "token.make", &request.user, &request.roles.join(" ")).await?;
    json(&MachineToken { token, roles: request.roles, expires: app.times.text(expires) })
}

fn good_user(user: &str, roles: &[String]) -> Result<(), Problem> {
    if !is_name(user) {
        return Err(Problem::invalid("a user's name is 1 to 32 of a-z, 0-9 and '-'"));
    }
    if roles.is_empty() || roles.iter().any(|role| !ROLES.contains(&role.as_str())) {
        return Err(Problem::invalid(format!("roles: one or more of {}", ROLES.join(", "))));
    }
    Ok(())
}

impl Shared {
    /// Writes to the audit trail.
    pub(super) async fn audit(
        &self,
        actor: &str,
        action: &str,
        target: &str,
        note: &str,
    ) -> Result<(), Problem> {
        let line = shanmen_actors::api::AuditLine {
            at: self.plane.clock().now(),
            actor: actor.to_owned(),
            action: action.to_owned(),
            target: target.to_owned(),
            note: note.to_owned(),
        };
        Ok(self.plane.audit(line).await?)
    }
}
