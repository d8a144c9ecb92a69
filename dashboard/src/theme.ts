// How Mantine's components look here; the colours behind them are in styles/theme.css.

import { Button, createTheme, Modal, NumberInput, PasswordInput, Select, Textarea, TextInput } from "@mantine/core";

const small = { defaultProps: { size: "sm" } } as const;

export const theme = createTheme({
  primaryColor: "blue",
  defaultRadius: "sm",
  cursorType: "pointer",
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--mono)",
  components: {
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    // Its way to hold the page still is a style element, which the policy refuses.
    // And its header is not one of the page.
    Modal: Modal.extend({
      defaultProps: {
        lockScroll: false,
        centered: true,
        transitionProps: { duration: 0 },
        attributes: { header: { role: "presentation" } },
      },
    }),
    NumberInput: NumberInput.extend(small),
    PasswordInput: PasswordInput.extend(small),
    Select: Select.extend(small),
    TextInput: TextInput.extend(small),
    Textarea: Textarea.extend(small),
  },
});
