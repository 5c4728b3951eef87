// The little of Apache ECharts that the pages use, for the type check.

export interface Chart {
  setOption(option: object, how?: { notMerge?: boolean; replaceMerge?: string | string[]; lazyUpdate?: boolean }): void;
  resize(): void;
  dispose(): void;
  isDisposed(): boolean;
  dispatchAction(action: object): void;
  on(event: string, handler: (event: any) => void): void;
}
export function init(
  root: HTMLElement,
  theme?: string | object | null,
  options?: { renderer?: 'canvas' | 'svg'; locale?: string; useDirtyRect?: boolean },
): Chart;
