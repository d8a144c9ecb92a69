import "./styles/index.css";
import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { WithSession } from "./session";
import { theme } from "./theme";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The SDK tries again where that helps.
      retry: false,
      staleTime: 2_000,
      // Comparing old and new answers walks down payloads, which may be nested deeper than the stack is.
      structuralSharing: false,
    },
  },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      {/* The theme's variables are in a stylesheet: the Content-Security-Policy takes no style element. */}
      <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
        <QueryClientProvider client={queries}>
          <WithSession>
            <App />
          </WithSession>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
