import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', 'client/dist', 'var', 'proto/generated', '.tap'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      // `||` is right where an empty string means "not given".
      '@typescript-eslint/prefer-nullish-coalescing': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      // An index that was just checked is clearer with a `!` than with a branch that never runs.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['daemon/**/*.ts', 'client/**/*.ts', 'proto/**/*.ts'],
    rules: {
      // Not even with `void`: a promise that nobody waits for has a handler for its failure.
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
    },
  },
);
