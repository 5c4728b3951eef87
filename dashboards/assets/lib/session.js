// Who is logged in, as far as a page may know: user, roles and until when, never the token (that is
// in a cookie that scripts cannot read). The server decides about every request by itself; what
// stands here only spares a visitor the buttons that would be refused. Called by api.js, the login
// page and the head of each page.

/** @typedef {'admin' | 'operator' | 'manager' | 'seller' | 'finance' | 'auditor' | 'device-admin'} Role */
/** @typedef {{user: string, roles: Role[], expires: string}} Held */

const KEY = 'shanmen-login';

/** What the login answered. @param {Held} login */
export function remember({ user, roles, expires }) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ user, roles, expires }));
  } catch {
    // A browser that keeps nothing still has its cookie.
  }
}

export function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // As above.
  }
}

/** The login that is held and not yet over by this clock. @returns {Held | null} */
export function held() {
  try {
    const login = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    if (!login || !Array.isArray(login.roles)) return null;
    return Date.parse(login.expires) > Date.now() ? login : null;
  } catch {
    return null;
  }
}

/** Whether the one who is logged in has one of these roles; an admin has them all. @param {Role[]} roles */
export function may(...roles) {
  const login = held();
  return Boolean(login?.roles.some((role) => role === 'admin' || roles.includes(role)));
}

/**
 * Where to go after the login: only to a page of this server.
 * @param {string | null} next as the address says it
 * @param {string} [otherwise]
 */
export function safeNext(next, otherwise = '/') {
  if (!next?.startsWith('/')) return otherwise;
  try {
    const url = new URL(next, location.origin);
    const ours = url.origin === location.origin && !url.pathname.startsWith('/api/') && url.pathname !== '/login';
    // By path, so that no "//host" comes out either.
    return ours && !url.pathname.startsWith('//') ? url.pathname + url.search + url.hash : otherwise;
  } catch {
    return otherwise;
  }
}

/** The login page, which leads back to where we are. */
export function loginAddress() {
  const here = location.pathname + location.search + location.hash;
  return `/login?next=${encodeURIComponent(here)}`;
}

/** Whether the login page is being opened: several questions may be refused at once. */
let leaving = false;
addEventListener('pageshow', () => { leaving = false; });

/** Goes to the login page and comes back here afterwards. */
export function toLogin() {
  forget();
  if (leaving || location.pathname === '/login') return;
  leaving = true;
  location.assign(loginAddress());
}

/**
 * Ends the login, at the server too; false where the server did not: the cookie is still good then.
 * @param {string} [next] where to go
 */
export async function logOut(next = '/login') {
  try {
    const answer = await fetch('/api/v1/logout', { method: 'POST', signal: AbortSignal.timeout(5000) });
    if (!answer.ok && answer.status !== 401) return false;
  } catch {
    return false;
  }
  forget();
  location.assign(next);
  return true;
}
