"""The paper's tables, measured: it trains every model of a protocol, tests it, and writes ours beside the paper's."""
