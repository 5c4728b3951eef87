// The linter of the pages' scripts and of their tests; in CI only. Run from the top of the repository.

import js from '@eslint/js';
import globals from 'globals';

const rules = {
  'no-var': 'error',
  'prefer-const': 'error',
  eqeqeq: ['error', 'always'],
  'no-implied-eval': 'error',
  'no-new-func': 'error',
  'no-shadow-restricted-names': 'error',
  'no-unused-vars': ['error', { args: 'none', caughtErrors: 'none' }],
  'require-await': 'error',
};

export default [
  { ignores: ['**/vendor/**', '**/node_modules/**'] },
  js.configs.recommended,
  { files: ['dashboards/assets/**/*.js'], languageOptions: { globals: globals.browser }, rules },
  { files: ['tests/pages/**/*.mjs'], languageOptions: { globals: { ...globals.node, ...globals.browser } }, rules },
];
