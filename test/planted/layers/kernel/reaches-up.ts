import { store } from '../cluster/store/store.ts';
export const planted = store;
