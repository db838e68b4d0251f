/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing: what a program costs that does nothing. Static: start; with a loader: start-dynamic. */
int main(void)
{
    return 0;
}
