import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '#access';
import { Answers } from '#http';
import { homePage, invitationPage, resetPage, setupPage, WELCOME_POLICY } from './welcome.page.ts';

const WHY = 'a form that holds nothing; the token it sends is the credential';
const HTML = 'text/html; charset=utf-8';

@Controller()
export class WelcomeController {
  @Get()
  @Header('content-security-policy', WELCOME_POLICY)
  @Public('links to public pages')
  @Answers(undefined, { contentType: HTML, description: 'Where to go from here.' })
  home(): string {
    return homePage;
  }

  @Get('setup')
  @Header('content-security-policy', WELCOME_POLICY)
  @Public(WHY, { duringSetup: true })
  @Answers(undefined, { contentType: HTML, description: 'The page of the printed set-up URL.' })
  setup(): string {
    return setupPage;
  }

  @Get('invitation')
  @Header('content-security-policy', WELCOME_POLICY)
  @Public(WHY)
  @Answers(undefined, { contentType: HTML, description: 'The page of an invitation’s URL.' })
  invitation(): string {
    return invitationPage;
  }

  @Get('reset-password')
  @Header('content-security-policy', WELCOME_POLICY)
  @Public(WHY)
  @Answers(undefined, { contentType: HTML, description: 'The page of the link that sets a new password.' })
  resetPassword(): string {
    return resetPage;
  }
}
