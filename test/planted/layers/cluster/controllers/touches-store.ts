export const planted = (): Promise<unknown> => import('../store/store.ts');
