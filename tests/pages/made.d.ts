// The modules that the server makes from its own tables (dashboards/src/pages.rs).

declare module '*/reasons.js' {
  export const reasons: Readonly<Record<string, { zh: string; en: string }>>;
}

declare module '*/build.js' {
  export const build: string;
}
