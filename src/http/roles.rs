//! Who may do what. A token carries roles; each handler names the duty that it is, and the duty
//! names the roles that have it. An admin has them all.
//!
//! Owns the table of duties and the reading of tokens from a request. Called by axum before a
//! handler runs, so that nobody without the duty gets as far as a body.

use std::{collections::BTreeMap, marker::PhantomData};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};

use super::{App, problem::Problem, tokens, view_links};

/// All roles.
pub const ROLES: [&str; 8] =
    ["admin", "operator", "manager", "seller", "finance", "auditor", "device-admin", VIEWER];

/// Who sees the feed and nothing else.
pub(super) const VIEWER: &str = "viewer";

/// The cookie that pages use beside the bearer token.
pub(super) const COOKIE: &str = "shanmen";

/// Something that one needs a role for.
pub(super) trait Duty: Send {
    /// The roles that have it, besides `admin`. Empty: every one, as long as there is a login.
    const ROLES: &'static [&'static str];
}

macro_rules! duties {
    ($($(#[$doc:meta])* $name:ident = $roles:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;
        impl Duty for $name {
            const ROLES: &'static [&'static str] = &$roles;
        }
    )*

        /// All duties: name and roles.
        const DUTIES: &[(&str, &[&str])] = &[$((stringify!($name), $name::ROLES)),*];
    };
}
duties! {
    /// To be logged in.
    Anyone = ROLES;
    /// To sell: issue, import, show the picture of a code.
    Sell = ["seller"];
    /// To look a ticket up.
    SeeTickets = ["seller", "operator", "manager", "finance", "auditor"];
    /// To void, freeze and re-issue.
    ChangeTickets = ["operator", "manager"];
    /// To admit for a lane without MQTT, and to report its passages.
    Admit = ["operator"];
    /// To see the fleet.
    SeeDevices = ["operator", "manager", "auditor", "device-admin"];
    /// To let devices in.
    ManageDevices = ["device-admin"];
    /// To tell devices what to do.
    Operate = ["operator", "device-admin"];
    /// To see open grants, alarms and conflicts.
    SeeGrants = ["operator", "manager", "auditor"];
    /// To end grants, and to acknowledge alarms.
    Release = ["operator"];
    /// To say what is sold, and on what terms.
    ChangeProducts = ["manager"];
    /// To see how full the areas are.
    SeeCapacity = ["operator", "manager", "auditor"];
    /// To let people into a full area.
    OverrideCapacity = ["operator"];
    /// To say who is not let in.
    BlockPersons = ["operator", "manager"];
    /// To see who swiped which card where.
    SeeSwipes = ["operator", "manager", "auditor"];
    /// To see how many came, when and where.
    SeeFlow = ["operator", "manager", "finance", "auditor"];
    /// To see who did what.
    SeeAudit = ["auditor"];
    /// To let others see the wall.
    ShareViews = ["manager"];
    /// To say who may do what.
    ManageUsers = ["admin"];
}

/// The duties that somebody with these roles has, as words (`see_devices`, `operate` …), and those
/// that they have not, with the roles that have.
pub(super) fn duties_of(roles: &[String]) -> (Vec<String>, BTreeMap<String, Vec<&'static str>>) {
    let has = |of: &[&str]| roles.iter().any(|role| role == "admin" || of.contains(&role.as_str()));
    let (may, lacks): (Vec<_>, Vec<_>) = DUTIES.iter().partition(|(_, of)| has(of));
    let may = may.into_iter().map(|(name, _)| word(name)).collect();
    (may, lacks.into_iter().map(|(name, of)| (word(name), of.to_vec())).collect())
}

/// `SeeDevices` as `see_devices`.
fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// A caller who has the duty `D`.
#[derive(Debug)]
pub(super) struct May<D> {
    /// Who: for the audit trail.
    pub user: String,
    /// The digest of the token.
    pub digest: [u8; 32],
    duty: PhantomData<D>,
}

impl<D: Duty> FromRequestParts<App> for May<D> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = token(&parts.headers, &parts.method)?;
        let digest = tokens::digest(token);
        let held = app.plane.token(&digest).ok_or_else(|| {
            Problem::unauthorized("the token is unknown or over; log in at /api/v1/login")
        })?;
        if view_links::is_link(&held) {
            // Not even a logout: the link would be gone for all who have it.
            return Err(Problem::forbidden("a view link shows the feed and nothing else"));
        }
        let (user, roles, _) = held;
        let has = |role: &String| role == "admin" || D::ROLES.contains(&role.as_str());
        if !roles.iter().any(has) {
            let detail = match D::ROLES {
                ["admin"] => "this needs the role admin".to_owned(),
                roles => format!("this needs one of the roles admin, {}", roles.join(", ")),
            };
            return Err(Problem::forbidden(detail));
        }
        Ok(Self { user, digest, duty: PhantomData })
    }
}

/// The token in the `Authorization` header.
///
/// # Errors
/// `unauthorized` when something else stands there.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    match value.to_str().unwrap_or_default().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Problem::unauthorized("write Authorization: Bearer <token>")),
    }
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// The token of a request: bearer, or the page's cookie.
fn token<'h>(headers: &'h HeaderMap, method: &Method) -> Result<&'h str, Problem> {
    if let Some(token) = bearer(headers)? {
        return Ok(token);
    }
    let token = cookie(headers, COOKIE).ok_or_else(|| {
        Problem::unauthorized("log in at /api/v1/login and send Authorization: Bearer <token>")
    })?;
    // SameSite=Strict keeps the cookie from other sites; this keeps it from siblings too.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !method.is_safe() && site.is_some_and(|site| site != b"same-origin") {
        return Err(Problem::forbidden("a change by cookie must come from this site's own page"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_comes_as_bearer_or_as_the_pages_cookie() {
        let bearer = headers(&[("authorization", "bearer abc"), ("cookie", "shanmen=xyz")]);
        assert_eq!(token(&bearer, &Method::GET).unwrap(), "abc");
        let cookie = headers(&[("cookie", "a=b; shanmen=xyz")]);
        assert_eq!(token(&cookie, &Method::GET).unwrap(), "xyz");
        for none in [headers(&[]), headers(&[("authorization", "Basic eDp5")])] {
            assert!(token(&none, &Method::GET).is_err());
        }
    }

    #[test]
    fn another_sites_page_cannot_use_the_cookie_for_a_change() {
        let foreign = headers(&[("cookie", "shanmen=xyz"), ("sec-fetch-site", "same-site")]);
        assert!(token(&foreign, &Method::POST).is_err());
        assert!(token(&foreign, &Method::GET).is_ok());
        let own = headers(&[("cookie", "shanmen=xyz"), ("sec-fetch-site", "same-origin")]);
        assert!(token(&own, &Method::POST).is_ok());
    }

    #[test]
    fn every_role_in_a_duty_exists() {
        for role in DUTIES.iter().flat_map(|(_, roles)| roles.iter()) {
            assert!(ROLES.contains(role), "{role}");
        }
    }

    #[test]
    fn a_login_is_told_what_it_may_do() {
        let (may, lacks) = duties_of(&["operator".to_owned()]);
        assert!(may.contains(&"see_devices".to_owned()), "{may:?}");
        assert_eq!(lacks["see_audit"], ["auditor"]);
        assert_eq!(may.len() + lacks.len(), DUTIES.len());
        let (may, lacks) = duties_of(&["admin".to_owned()]);
        assert_eq!((may.len(), lacks.len()), (DUTIES.len(), 0));
    }
}
